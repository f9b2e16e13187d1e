"""What a step minimizes: the losses of a batch, by name, from one pass of the towers."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from training import seeds
from training.data.batch import CaptionedBatch
from training.data.scene_batch import SceneBatch
from training.losses.captions import clip_contrastive_loss, region_contrastive_losses
from training.losses.frames import frame_contrastive_losses, frame_sigmoid_loss, overlap_losses
from training.losses.targets import RegionTargets, label_targets, teacher_targets
from training.model import LanguageAudioModel
from training.processes import Processes
from training.recipe import Recipe
from training.synthesis.vocabulary import Vocabulary
from training.towers.masking import mask
from training.towers.text import SentenceEncoder

PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


@dataclass(frozen=True, slots=True)
class Objective:
    """What the losses need beside a batch: the model, what is said, and what counts how much.

    Each of several processes has a part of the batch, of the same size. Its losses are then parts too, whose mean over the
    processes is the loss of the whole batch: see `Processes`.
    """

    model: LanguageAudioModel
    encoder: SentenceEncoder
    vocabulary: Vocabulary | None
    recipe: Recipe
    device: torch.device
    processes: Processes = field(default_factory=Processes)

    def weight(self, name: str) -> float:
        """What a loss counts."""
        return float(getattr(self.recipe.losses, name))

    def weighted_sum(self, losses: dict[str, Tensor]) -> Tensor:
        """The weighted sum."""
        return torch.stack([self.weight(name) * value for name, value in losses.items()]).sum()

    def compute_losses(self, batch: CaptionedBatch, step: int) -> dict[str, Tensor]:
        """Those of the losses that count, unweighted."""
        precision = PRECISIONS[self.recipe.optimization.precision]
        with torch.autocast(self.device.type, precision, enabled=precision != torch.float32):
            config = self.recipe.optimization
            spectrogram = self.model.audio.spectrogram(batch.waveform)
            log_mel = mask(spectrogram, config.time_mask_s, config.mel_mask_bands)
            features = self.model.audio.features(log_mel)  # (B, T, C)
            frames = self.model.audio.project(features)  # (B, T, D)
            losses = self._clip_losses(batch, features) | self._region_losses(batch, frames)
            if isinstance(batch, SceneBatch) and self.vocabulary is not None:
                generator = torch.Generator().manual_seed(seeds.step_captions(self.recipe.seed, step))
                losses |= self._label_losses(batch, frames, self.vocabulary, generator)
                losses |= self._teacher_losses(batch, frames, self.vocabulary, generator)
        return losses

    def _counts(self, *names: str) -> bool:
        return any(self.weight(name) > 0 for name in names)

    def _clip_losses(self, batch: CaptionedBatch, features: Tensor) -> dict[str, Tensor]:
        """TACOS' loss of whole clips with their captions."""
        if not self._counts("clip_contrastive"):
            return {}
        clips = self.model.audio.clip_embeddings(features, batch.valid_mask())  # (B, D)
        captions = self._queries(self._sentences([caption.text for caption in batch.captions]))  # (P, D)
        recording = torch.tensor(
            [caption.recording for caption in batch.captions], dtype=torch.int64, device=self.device
        )
        loss = clip_contrastive_loss(
            self.processes.gather(clips[recording]),
            self.processes.gather(captions),
            self.processes.gather(recording + self.processes.rank * len(clips)),
            self.recipe.losses.temperature,
        )
        return {"clip_contrastive": loss}

    def _region_losses(self, batch: CaptionedBatch, frames: Tensor) -> dict[str, Tensor]:
        """TACOS' loss of the frames of regions, and FLAM's of all frames, against the batch's captions."""
        if not self._counts("region_contrastive", "region_sigmoid"):
            return {}
        texts, captions = self._captions(dict.fromkeys(event.text for event in batch.events))
        targets = RegionTargets.of(batch, texts)
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
            losses["region_contrastive"] = self.processes.share_of_mean(by_region)
        if self._counts("region_sigmoid"):
            logits = self.model.logits(similarity, captions)
            losses["region_sigmoid"] = frame_sigmoid_loss(logits, *targets.frame_targets())
        return losses

    def _captions(self, own: Iterable[str]) -> tuple[list[str], Tensor]:
        """The captions of all processes, each once, and their query embeddings (Q, D)."""
        texts = list(own)
        embeddings = self.processes.gather(self._queries(self._sentences(texts)))
        rows: dict[str, int] = {}
        for row, text in enumerate(itertools.chain.from_iterable(self.processes.gather_objects(texts))):
            rows.setdefault(text, row)
        return list(rows), embeddings[list(rows.values())]

    def _label_losses(
        self, batch: SceneBatch, frames: Tensor, vocabulary: Vocabulary, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The losses against a caption of every label."""
        if not self._counts("label_sigmoid", "label_contrastive", "label_overlap"):
            return {}
        captions = self._queries(vocabulary.bank.sample(generator))  # (L, D)
        logits = self.model.logits(frames @ captions.T, captions)  # (B, T, L)
        target, known = label_targets(batch, vocabulary.relation.to(self.device))
        losses: dict[str, Tensor] = {}
        if self._counts("label_sigmoid"):
            losses["label_sigmoid"] = frame_sigmoid_loss(logits, target, known)
        if self._counts("label_contrastive"):
            losses["label_contrastive"] = self.processes.share_of_mean(frame_contrastive_losses(logits, target, known))
        if self._counts("label_overlap"):
            losses["label_overlap"] = self.processes.share_of_mean(overlap_losses(logits, target, known))
        return losses

    def _teacher_losses(
        self, batch: SceneBatch, frames: Tensor, vocabulary: Vocabulary, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The loss against a caption of every class of the teacher."""
        if not self._counts("teacher_sigmoid") or vocabulary.class_bank is None:
            return {}
        classes = self._queries(vocabulary.class_bank.sample(generator))  # (C, D)
        pairs = frames.unflatten(1, (-1, 2)).mean(dim=2)  # (B, T / 2, D)
        logits = self.model.logits(pairs @ classes.T, classes)  # (B, T / 2, C)
        target, known = teacher_targets(batch, vocabulary.related.to(self.device))
        return {"teacher_sigmoid": frame_sigmoid_loss(logits, target, known)}

    def _sentences(self, texts: Sequence[str]) -> Tensor:
        """Sentence embeddings (Q, C) of captions, with gradient if the encoder is trained; those of labels are known already."""
        if self.model.encoder is not None:
            return self.model.encoder.embed(list(texts))
        if self.vocabulary is None:
            return self.encoder.encode(list(texts))
        bank = self.vocabulary.bank
        sentences = bank.sentences[[bank.rows.get(text, 0) for text in texts]]
        others = [i for i, text in enumerate(texts) if text not in bank.rows]
        if others:
            sentences[others] = self.encoder.encode([texts[i] for i in others])
        return sentences

    def _queries(self, sentences: Tensor) -> Tensor:
        """Query embeddings of sentences a little off, so that the projection learns neighbourhoods and not points."""
        noise = torch.randn(sentences.shape, device=self.device) * self.recipe.optimization.sentence_noise
        return self.model.projection(F.normalize(sentences.to(self.device) + noise, dim=-1))
