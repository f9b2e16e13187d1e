"""The training objective: chooses the targets and the losses of a batch, and weights the losses."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from training import seeds
from training.caption_embedding import CaptionEmbedder
from training.data.batch import CaptionedBatch
from training.data.map_batch import MapBatch
from training.data.scene_batch import SceneBatch
from training.losses.captions import clip_contrastive_loss, region_contrastive_losses
from training.losses.frames import frame_contrastive_losses, frame_sigmoid_loss, overlap_losses
from training.losses.targets import RegionTargets, absent_known, label_targets, teacher_targets
from training.model import LanguageAudioModel
from training.processes import Processes
from training.recipe import Recipe
from training.synthesis.vocabulary import Vocabulary
from training.towers.masking import disturb_maps, equalize, mask_spectrogram
from training.towers.pyramid import PyramidTower
from training.towers.tower import AudioTower

PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


@dataclass(frozen=True, slots=True)
class Objective:
    """Computes the losses of a batch that have a positive weight in the recipe.

    Each process of a run holds an equal part of every batch. The mean of a loss over the processes is the loss of the whole
    batch (see `Processes`).

    Shapes: B recordings, T frames, C channels of the audio features, D channels of the shared space, Q captions.

    Attributes:
        model: the model that is trained.
        embedder: embeds captions with the text tower.
        vocabulary: captions and relations of the labels, for scenes; None if the data has no labels.
        recipe: loss weights, temperature, masking, precision and seed.
        processes: the processes of the run.
    """

    model: LanguageAudioModel
    embedder: CaptionEmbedder
    vocabulary: Vocabulary | None
    recipe: Recipe
    processes: Processes = field(default_factory=Processes)

    def loss_weight(self, name: str) -> float:
        """Returns the weight of a loss in the recipe; `name` is a field of `LossWeights`."""
        return float(getattr(self.recipe.losses, name))

    def weighted_sum(self, losses: dict[str, Tensor]) -> Tensor:
        """Returns the scalar that a training step minimizes: the sum of the losses times their weights."""
        return torch.stack([self.loss_weight(name) * value for name, value in losses.items()]).sum()

    def compute_losses(self, batch: CaptionedBatch, step: int) -> dict[str, Tensor]:
        """Runs both towers once and computes every enabled loss.

        Args:
            batch: this process' part of the batch, on the device of the model.
            step: number of the training step. It seeds the choice of one caption for each label and class, so that
                all processes choose the same captions.

        Returns:
            Scalar losses by name, not yet multiplied by their weights.
        """
        config = self.recipe.optimization
        precision = PRECISIONS[config.precision]
        with torch.autocast(self.model.device.type, precision, enabled=precision != torch.float32):
            features = self._features(batch)  # (B, T, C)
            frames = self.model.audio.project(features)  # (B, T, D)
            losses = self._clip_losses(batch, features) | self._region_losses(batch, frames)
            if isinstance(batch, SceneBatch) and self.vocabulary is not None:
                generator = torch.Generator().manual_seed(seeds.step_captions(self.recipe.seed, step))
                losses |= self._label_losses(batch, frames, self.vocabulary, generator)
                losses |= self._teacher_losses(batch, frames, self.vocabulary, generator)
        return losses

    def _features(self, batch: CaptionedBatch) -> Tensor:
        """Audio features (B, T, C), with random changes of the spectrograms or the cached maps."""
        config, tower = self.recipe.optimization, self.model.audio
        if isinstance(batch, MapBatch):
            maps = disturb_maps(batch.decoded_maps(), config.map_noise, config.map_dropout)
            return map_tower(tower).features_of_maps(maps)
        spectrogram = tower.spectrogram(batch.waveform)
        if config.equalizer_db:
            spectrogram = equalize(spectrogram, config.equalizer_db)
        return tower.features(mask_spectrogram(spectrogram, config.time_mask_s, config.mel_mask_bands))

    def _any_enabled(self, *names: str) -> bool:
        return any(self.loss_weight(name) > 0 for name in names)

    def _clip_losses(self, batch: CaptionedBatch, features: Tensor) -> dict[str, Tensor]:
        """The contrastive loss of TACOS between whole recordings and their captions."""
        if not self._any_enabled("clip_contrastive"):
            return {}
        clips = self.model.audio.clip_embeddings(features, batch.valid_mask())  # (B, D)
        captions = self.embedder.embed([caption.text for caption in batch.captions])  # (P, D)
        recording = torch.tensor(
            [caption.recording for caption in batch.captions], dtype=torch.int64, device=clips.device
        )
        loss = clip_contrastive_loss(
            self.processes.gather(clips[recording]),
            self.processes.gather(captions),
            self.processes.gather(recording + self.processes.rank * len(clips)),
            self.recipe.losses.temperature,
        )
        return {"clip_contrastive": loss}

    def _region_losses(self, batch: CaptionedBatch, frames: Tensor) -> dict[str, Tensor]:
        """The losses between frames and the captions of regions: contrastive as in TACOS, sigmoid as in FLAM."""
        if not self._any_enabled("region_contrastive", "region_sigmoid"):
            return {}
        texts, captions = self.embedder.embed_unique(event.text for event in batch.events)
        regions = RegionTargets.from_batch(batch, texts)
        similarity = (frames @ captions.T).float()  # (B, T, Q)
        losses: dict[str, Tensor] = {}
        if self._any_enabled("region_contrastive"):
            by_region = region_contrastive_losses(similarity, regions, self.recipe.losses.temperature)
            losses["region_contrastive"] = self.processes.share_of_mean(by_region)
        if self._any_enabled("region_sigmoid"):
            logits = self.model.logits(similarity, captions)
            losses["region_sigmoid"] = frame_sigmoid_loss(logits, *regions.frame_targets())
        return losses

    def _label_losses(
        self, batch: SceneBatch, frames: Tensor, vocabulary: Vocabulary, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The losses between frames and one random caption of each of the L labels, and absent captions if there are any."""
        if not self._any_enabled("label_sigmoid", "label_contrastive", "label_overlap"):
            return {}
        sentences = vocabulary.bank.sample(generator)  # (L, C)
        target, known = label_targets(batch, vocabulary.relation.to(frames.device))
        if vocabulary.absent is not None:
            absent = vocabulary.absent.sample(generator)
            sentences = torch.cat([sentences, absent.sentences])  # (L + K, C)
            absent_is_known = absent_known(batch, absent.may_be.to(frames.device))  # (B, T, K)
            target = torch.cat([target, torch.zeros_like(absent_is_known, dtype=target.dtype)], dim=-1)  # (B, T, L + K)
            known = torch.cat([known, absent_is_known], dim=-1)
        captions = self.embedder.embed_sentences(sentences)  # (L + K, D)
        logits = self.model.logits(frames @ captions.T, captions)  # (B, T, L + K)
        losses: dict[str, Tensor] = {}
        if self._any_enabled("label_sigmoid"):
            losses["label_sigmoid"] = frame_sigmoid_loss(logits, target, known)
        if self._any_enabled("label_contrastive"):
            losses["label_contrastive"] = self.processes.share_of_mean(frame_contrastive_losses(logits, target, known))
        if self._any_enabled("label_overlap"):
            losses["label_overlap"] = self.processes.share_of_mean(overlap_losses(logits, target, known))
        return losses

    def _teacher_losses(
        self, batch: SceneBatch, frames: Tensor, vocabulary: Vocabulary, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The sigmoid loss between frames and one random caption of each of the K classes of the teacher.

        One frame of the teacher spans two frames of the tower, whose embeddings are averaged.
        """
        if not self._any_enabled("teacher_sigmoid") or vocabulary.class_bank is None:
            return {}
        classes = self.embedder.embed_sentences(vocabulary.class_bank.sample(generator))  # (K, D)
        pairs = frames.unflatten(1, (-1, 2)).mean(dim=2)  # (B, T / 2, D)
        logits = self.model.logits(pairs @ classes.T, classes)  # (B, T / 2, K)
        target, known = teacher_targets(batch, vocabulary.related.to(frames.device))
        return {"teacher_sigmoid": frame_sigmoid_loss(logits, target, known)}


def frame_embeddings(model: LanguageAudioModel, batch: CaptionedBatch) -> Tensor:
    """The frame embeddings (B, T, D) of a batch of waveforms or of cached maps."""
    if isinstance(batch, MapBatch):
        tower = map_tower(model.audio)
        return tower.project(tower.features_of_maps(batch.decoded_maps()))
    return model.audio(batch.waveform)


def map_tower(tower: AudioTower) -> PyramidTower:
    """The tower of a run on cached maps, which `training.recipe` requires to be a pyramid tower."""
    assert isinstance(tower, PyramidTower)
    return tower
