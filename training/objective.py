"""What a step minimizes: the losses of a batch, by name, computed from one pass of the towers."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from training.data.batch import CaptionedBatch
from training.losses.captions import clip_contrastive_loss, region_contrastive_losses
from training.losses.frames import frame_contrastive_loss, frame_sigmoid_loss, overlap_loss
from training.masking import mask
from training.model import LanguageAudioModel
from training.recipe import Recipe
from training.synthesis.batches import SceneBatch
from training.targets import RegionTargets, label_targets, teacher_targets
from training.towers.text import SentenceEncoder
from training.vocabulary import Vocabulary

PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


@dataclass(frozen=True, slots=True)
class Sentences:
    """Sentence embeddings of any captions; those of the vocabulary are looked up."""

    encoder: SentenceEncoder
    vocabulary: Vocabulary

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Captions to sentence embeddings (Q, C)."""
        rows = self.vocabulary.bank.rows
        found = self.vocabulary.bank.sentences[[rows.get(text, 0) for text in texts]]
        others = torch.tensor([i for i, text in enumerate(texts) if text not in rows], dtype=torch.int64)
        return found.index_copy(0, others, self.encoder.encode([texts[int(i)] for i in others]))


@dataclass(frozen=True, slots=True)
class Objective:
    """What the losses need beside a batch: the model, what is said, and what counts how much."""

    model: LanguageAudioModel
    sentences: Sentences
    vocabulary: Vocabulary
    recipe: Recipe
    device: torch.device

    def weight(self, name: str) -> float:
        """What a loss counts."""
        return float(getattr(self.recipe.losses, name))

    def total(self, losses: dict[str, Tensor]) -> Tensor:
        """The weighted sum."""
        return torch.stack([self.weight(name) * value for name, value in losses.items()]).sum()

    def losses(self, batch: CaptionedBatch, step: int) -> dict[str, Tensor]:
        """Those of the losses that count, unweighted."""
        precision = PRECISIONS[self.recipe.optimization.precision]
        with torch.autocast(self.device.type, precision, enabled=precision != torch.float32):
            log_mel = mask(self.model.audio.spectrogram(batch.waveform), self.recipe.optimization)
            features = self.model.audio.features(log_mel)  # (B, T, C)
            frames = self.model.audio.project(features)  # (B, T, D)
            losses = self._clip_losses(batch, features) | self._region_losses(batch, frames)
            if isinstance(batch, SceneBatch):
                generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + step)
                losses |= self._label_losses(batch, frames, generator)
                losses |= self._teacher_losses(batch, frames, generator)
        return losses

    def _counts(self, *names: str) -> bool:
        return any(self.weight(name) > 0 for name in names)

    def _clip_losses(self, batch: CaptionedBatch, features: Tensor) -> dict[str, Tensor]:
        """TACOS' loss of whole clips with their captions."""
        if not self._counts("clip_contrastive"):
            return {}
        clips = self.model.audio.clip(features, batch.valid())  # (B, D)
        captions = self._queries(self.sentences([caption.text for caption in batch.captions]))  # (P, D)
        recording = torch.tensor(
            [caption.recording for caption in batch.captions], dtype=torch.int64, device=self.device
        )
        temperature = self.recipe.losses.temperature
        return {"clip_contrastive": clip_contrastive_loss(clips[recording], captions, recording, temperature)}

    def _region_losses(self, batch: CaptionedBatch, frames: Tensor) -> dict[str, Tensor]:
        """TACOS' loss of the frames of regions, and FLAM's of all frames, against the batch's captions."""
        if not self._counts("region_contrastive", "region_sigmoid"):
            return {}
        texts = list(dict.fromkeys(event.text for event in batch.events))
        targets = RegionTargets.of(batch, texts)
        captions = self._queries(self.sentences(texts))  # (Q, D)
        similarity = (frames @ captions.T).float()  # (B, T, Q)
        losses: dict[str, Tensor] = {}
        if self._counts("region_contrastive"):
            by_region = region_contrastive_losses(
                similarity,
                targets.active,
                targets.recording,
                targets.text,
                targets.said,
                self.recipe.losses.temperature,
            )
            losses["region_contrastive"] = by_region.sum() / max(1, len(by_region))
        if self._counts("region_sigmoid"):
            losses["region_sigmoid"] = frame_sigmoid_loss(
                self.model.logits(similarity, captions), *targets.frame_targets()
            )
        return losses

    def _label_losses(self, batch: SceneBatch, frames: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """The losses against a caption of every label."""
        functions = {
            "label_sigmoid": frame_sigmoid_loss,
            "label_contrastive": frame_contrastive_loss,
            "label_overlap": overlap_loss,
        }
        if not self._counts(*functions):
            return {}
        captions = self._queries(self.vocabulary.bank.sample(generator))  # (L, D)
        logits = self.model.logits(frames @ captions.T, captions)  # (B, T, L)
        target, known = label_targets(batch, self.vocabulary.relation.to(self.device))
        return {name: loss(logits, target, known) for name, loss in functions.items() if self._counts(name)}

    def _teacher_losses(self, batch: SceneBatch, frames: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """The loss against a caption of every class of the teacher."""
        if not self._counts("teacher_sigmoid") or self.vocabulary.class_bank is None:
            return {}
        classes = self._queries(self.vocabulary.class_bank.sample(generator))  # (C, D)
        pairs = frames.unflatten(1, (-1, 2)).mean(dim=2)  # (B, T / 2, D)
        logits = self.model.logits(pairs @ classes.T, classes)  # (B, T / 2, C)
        target, known = teacher_targets(batch, self.vocabulary.related.to(self.device))
        return {"teacher_sigmoid": frame_sigmoid_loss(logits, target, known)}

    def _queries(self, sentences: Tensor) -> Tensor:
        """Query embeddings of sentences a little off, so that the projection learns neighbourhoods and not points."""
        noise = torch.randn(sentences.shape, device=self.device) * self.recipe.optimization.sentence_noise
        return self.model.projection(F.normalize(sentences.to(self.device) + noise, dim=-1))
