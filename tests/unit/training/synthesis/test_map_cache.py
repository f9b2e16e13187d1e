from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.unit.training.data.test_scene_batch import make_batch
from training.data.map_batch import map_batch, save_map_batch
from training.synthesis.map_cache import FACTS, CachedBatches, CacheFacts, batch_file, read_facts, trunk_checksum
from training.towers.pyramid import PyramidConfig, PyramidTower

CACHE_FACTS = CacheFacts(("dog", "rain"), 0, 4, "abc")


def test_the_facts_of_a_cache_are_read_as_they_were_saved(tmp_path: Path) -> None:
    CACHE_FACTS.save(tmp_path)
    assert read_facts(tmp_path) == CACHE_FACTS
    CACHE_FACTS.save(tmp_path)  # the same facts may be saved again


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (replace(CACHE_FACTS, labels=("dog",)), r"other labels \(2 labels\) than this recipe has \(1 labels\)"),
        (replace(CACHE_FACTS, classes=9), r"other classes \(0\) than this recipe has \(9\)"),
        (replace(CACHE_FACTS, batch=8), r"other batch \(4\) than this recipe has \(8\)"),
        (replace(CACHE_FACTS, trunk="abd"), r"other trunk \(abc\) than this recipe has \(abd\)"),
    ],
)
def test_other_facts_are_refused_by_name(changed: CacheFacts, message: str, tmp_path: Path) -> None:
    CACHE_FACTS.save(tmp_path)
    before = (tmp_path / FACTS).read_text()
    with pytest.raises(ValueError, match=message):
        changed.save(tmp_path)
    assert (tmp_path / FACTS).read_text() == before


def test_the_checksum_covers_the_trunk_its_squeezes_and_the_statistics_but_not_the_head() -> None:
    torch.manual_seed(0)
    tower = PyramidTower(PyramidConfig(width=0.125, dimension=8, head_channels=8))
    checksum = trunk_checksum(tower)
    with torch.no_grad():
        tower.output.bias.add_(1)
    assert trunk_checksum(tower) == checksum
    tower.standardizations[1].mean[0] += 1
    assert trunk_checksum(tower) != checksum
    torch.manual_seed(0)
    assert trunk_checksum(PyramidTower(replace(tower.config, squeeze_s=1.0))) != checksum


def test_the_order_of_the_batches_depends_on_the_seed_and_the_epoch(tmp_path: Path) -> None:
    files = [batch_file(tmp_path, number) for number in range(8)]
    for number, file in enumerate(files):
        save_map_batch(map_batch(make_batch(), [torch.full((1, 4, 3), number / 2)]), file)

    def order(seed: int, start: int) -> list[float]:
        batches = CachedBatches(files, 16, seed)
        return [float(batches[start + i].maps[0][0, 0, 0]) for i in range(8)]

    assert order(0, 0) == order(0, 0)
    assert len(set(order(0, 0))) == len(set(order(0, 8))) == 8
    assert len({tuple(order(seed, start)) for seed in (0, 1) for start in (0, 8)}) == 4
