"""A folder of cached maps: batches of scenes that a frozen trunk has heard once, for heads that train on them many times."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from training import seeds
from training.data.map_batch import MapBatch, load_map_batch, map_batch, save_map_batch
from training.data.recaption import RecaptionConfig
from training.data.scene_batch import SceneBatch
from training.synthesis.recaption import Recaptioner
from training.synthesis.vocabulary import Vocabulary
from training.towers.pyramid import PyramidTower

FACTS, STATISTICS = "cache.json", "statistics.pt"


@dataclass(frozen=True, slots=True)
class CacheFacts:
    """What a run must have in common with the cache that it reads; the content of `cache.json`.

    Attributes:
        labels: the labels, in the order of the label indices.
        classes: number of the teacher's classes, 0 without a teacher.
        batch: number of scenes in each batch.
        trunk: checksum of the weights and statistics that computed the maps.
    """

    labels: tuple[str, ...]
    classes: int
    batch: int
    trunk: str

    def save(self, folder: Path) -> None:
        """Writes the facts into the folder of a cache.

        Raises:
            ValueError: the folder holds a cache with other facts.
        """
        file = folder / FACTS
        if file.is_file():
            self.check(read_facts(folder), folder)
        file.write_text(json.dumps({name: getattr(self, name) for name in self.__slots__}, indent=1) + "\n")

    def check(self, cached: "CacheFacts", folder: Path) -> None:
        """Raises ValueError if the cache in `folder` was made for other recordings, another batch or another trunk."""
        for name in self.__slots__:
            expected, came = getattr(self, name), getattr(cached, name)
            if expected != came:
                values = (f"{len(v)} labels" if isinstance(v, tuple) else v for v in (came, expected))
                raise ValueError(
                    "{} was cached with other {} ({}) than this recipe has ({}); cache the maps again with "
                    "training.cache_maps".format(folder, name, *values)
                )


def read_facts(folder: Path) -> CacheFacts:
    """The facts of the cache in `folder`.

    Raises:
        FileNotFoundError: the folder holds no cache.
    """
    values = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    return CacheFacts(tuple(values["labels"]), values["classes"], values["batch"], values["trunk"])


def trunk_checksum(tower: PyramidTower) -> str:
    """Checksum of everything that determines the standardized maps of a tower."""
    digest = hashlib.sha256(f"{tower.config.width} {tower.config.squeeze_s}".encode())
    for part in (tower.trunk, tower.standardize):
        for _, values in sorted(part.state_dict().items()):
            digest.update(values.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@torch.inference_mode()
def cache_batch(tower: PyramidTower, batch: SceneBatch, file: Path) -> None:
    """Computes the maps of a batch and writes them, with the truth of its scenes, to a file."""
    maps = tower.maps(tower.spectrogram(batch.waveform))
    save_map_batch(map_batch(batch, maps), file)


def batch_file(folder: Path, number: int) -> Path:
    """The file of a cached batch."""
    return folder / f"{number:06}.pt"


class CachedBatches(Dataset[MapBatch]):
    """`count` batches from a cache. Every cached batch is drawn once, in random order, before any is drawn again.

    Args:
        files: the batches of the cache.
        count: number of batches of the run.
        seed: seed of the run.
        recaptioner: draws new captions, or None for the captions of the cache.
    """

    def __init__(self, files: list[Path], count: int, seed: int, recaptioner: Recaptioner | None = None) -> None:
        self.files, self.count, self.seed, self.recaptioner = files, count, seed, recaptioner

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> MapBatch:
        """Batch `index` of the run."""
        number = self.number(index)
        batch = load_map_batch(self.files[number])
        return self.recaptioner.draw(batch, index, number) if self.recaptioner else batch

    def number(self, index: int) -> int:
        """Number of the cached batch that is batch `index` of the run."""
        epoch, place = divmod(index, len(self.files))
        order = np.random.default_rng(seeds.numbered(self.seed, epoch)).permutation(len(self.files))
        return int(order[place])

    def __iter__(self) -> Iterator[MapBatch]:
        return (self[i] for i in range(len(self)))


@dataclass(frozen=True, slots=True)
class CachedSource:
    """A source of cached batches for a run.

    Attributes:
        folder: the cache.
        vocabulary: the captions of the labels and of the teacher's classes.
        seed: seed of the run.
        recaption: whether the captions are drawn anew.
    """

    folder: Path
    vocabulary: Vocabulary
    seed: int
    recaption: RecaptionConfig = field(default_factory=RecaptionConfig)

    def prepare(self, tower: PyramidTower, *, with_statistics: bool) -> None:
        """Gives the tower the statistics of the cache, and checks that the tower's trunk is that of the cache.

        Args:
            tower: the tower of the run, with its first weights.
            with_statistics: whether the tower takes the statistics; a run that starts from a checkpoint has some.

        Raises:
            ValueError: the maps were computed by another trunk or for other labels.
        """
        if with_statistics:
            tower.standardize.load_state_dict(torch.load(self.folder / STATISTICS, weights_only=True))
        cached = read_facts(self.folder)
        CacheFacts(self.vocabulary.labels, cached.classes, cached.batch, trunk_checksum(tower)).check(
            cached, self.folder
        )

    def batches(self, size: int, count: int) -> CachedBatches:
        """`count` batches of `size` scenes.

        Raises:
            ValueError: the cached batches have another size.
        """
        cached = read_facts(self.folder)
        if size != cached.batch:
            raise ValueError(
                f"{self.folder} holds batches of {cached.batch} scenes; a part of a batch has {size} scenes "
                "(optimization.batch, optimization.accumulate)"
            )
        files, recaptioner = sorted(self.folder.glob("[0-9]*.pt")), None
        if self.recaption.each_batch:
            recaptioner = Recaptioner(self.vocabulary.bank.of_subjects(), self.recaption.ambience_rate, self.seed)
        return CachedBatches(files, count, self.seed, recaptioner)
