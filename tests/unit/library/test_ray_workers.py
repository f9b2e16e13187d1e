"""The work of the nodes of a cluster, done in this process; tests/cluster runs it on real nodes."""

import pickle
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile

from service.core.manifest import read_manifest
from service.core.start_errors import LibraryModelDiffers
from service.engine.caching.tiers import memory_cache
from service.engine.clip import Upload
from service.engine.decoders import Decoders
from service.engine.engine import open_engine
from service.engine.options import EngineOptions
from service.library import ray_workers
from service.library.indexing import index_files
from service.library.ray_workers import IndexPlan, Tower, decode_files
from service.library.recording import LibraryModel
from service.library.store import open_or_create_library
from tests.library_parts import SilentProgress, contents

OPTIONS = EngineOptions(cache_bytes=0, device="cpu", max_clip_s=60)
BUNDLE_S = 8


@pytest.fixture
def plan(tiny_bundle: Path, tmp_path: Path) -> IndexPlan:
    manifest = read_manifest(tiny_bundle)
    open_or_create_library(str(tmp_path / "lib"), LibraryModel.of(manifest))
    return IndexPlan(str(tmp_path / "lib"), tiny_bundle, manifest, OPTIONS)


def test_bundles_are_bounded_and_give_the_rows_and_refusals_of_one_process(
    plan: IndexPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_workers, "BUNDLE_BYTES", BUNDLE_S * 16_000 * 4)
    paths, noise = [], np.random.default_rng(0)
    for name, seconds in {"a.wav": 3, "b.wav": 4, "long.wav": 11, "c.flac": 5, "too_long.wav": 70}.items():
        soundfile.write(tmp_path / name, 0.1 * noise.standard_normal(16_000 * seconds + 7), 16_000)
        paths.append(str(tmp_path / name))
    (tmp_path / "broken.wav").write_bytes(b"RIFF\x10\0\0\0WAVEjunk")
    paths += [str(tmp_path / name) for name in ("broken.wav", "missing.wav")]
    bundles = list(decode_files(paths, plan))
    assert all(len(each["samples"][0].as_py()) <= BUNDLE_S * 16_000 * 4 for each in bundles)
    assert len(bundles) == 2
    tower = Tower(plan)
    groups = [pickle.loads(pickled) for bundle in bundles for pickled in tower(bundle)["outcomes"].to_pylist()]
    outcomes = [outcome for group in groups for outcome in group]
    assert [outcome.path for outcome in outcomes] == paths
    library, whole = (
        open_or_create_library(str(tmp_path / name), LibraryModel.of(plan.manifest)) for name in ("lib", "whole")
    )
    library.add_staged([outcome.item for outcome in outcomes if outcome.item])
    progress = SilentProgress()
    with (
        closing(Decoders(1)) as decoders,
        closing(open_engine(plan.bundle or Path(), OPTIONS, memory_cache(0), decoders.decode)) as engine,
    ):
        index_files(whole, paths, lambda file: engine.embed(Upload(file)), {}, progress)
    assert contents(library) == contents(whole)
    assert [(outcome.path, outcome.reason) for outcome in outcomes if not outcome.item] == progress.refused


def test_a_tower_of_another_model_is_refused(plan: IndexPlan) -> None:
    with pytest.raises(LibraryModelDiffers):
        Tower(IndexPlan(plan.location, None, plan.manifest, OPTIONS))  # None: the bundle of the package
