"""Indexing on a real cluster of two nodes, each with one core and so with one tower."""

import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from service.core.manifest import read_manifest
from service.core.start_errors import ClusterFailed
from service.engine.caching.tiers import memory_cache
from service.engine.clip import Upload
from service.engine.decoders import Decoders
from service.engine.engine import open_engine
from service.engine.options import EngineOptions
from service.library import ray_workers
from service.library.contents import check_frames
from service.library.indexing import index_files
from service.library.ray_index import connected, index_on_ray
from service.library.ray_workers import IndexPlan
from service.library.recording import LibraryModel
from service.library.store import Library, open_library, open_or_create_library
from tests.library_parts import SilentProgress, contents, left_overs
from tests.ray_cluster import running
from tests.waiting import wait_until

OPTIONS = EngineOptions(cache_bytes=0, device="cpu")
N_FILES = 48


class Interrupted(Exception):  # noqa: N818
    pass


class Watching(SilentProgress):
    """Calls a function after some files."""

    def __init__(self, n_files: int, then) -> None:
        super().__init__()
        self._then_at, self._then = n_files, then

    def advance(self, n_bytes: int, duration_s: float) -> None:
        super().advance(n_bytes, duration_s)
        if self.n_files == self._then_at:
            self._then()


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Noise of 2 to 13 s in three containers, a broken recording, and a file that is none."""
    folder, noise = tmp_path_factory.mktemp("recordings"), np.random.default_rng(0)
    for number in range(N_FILES):
        samples = 0.1 * noise.standard_normal(16_000 * (2 + 7 * number % 11) + number)
        soundfile.write(folder / f"{number}.{('wav', 'flac', 'mp3')[number % 3]}", samples, 16_000)
    (folder / "broken.wav").write_bytes(b"RIFF\x10\0\0\0WAVEjunk")
    (folder / "notes.txt").write_text("no recording")
    return sorted(map(str, folder.iterdir()))


@pytest.fixture(scope="module")
def whole(tiny_bundle: Path, recordings: list[str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What one process makes of the recordings: the contents of the library, and the refusals."""
    library, progress = _library(tmp_path_factory.mktemp("whole") / "lib", tiny_bundle), SilentProgress()
    with (
        closing(Decoders(2)) as decoders,
        closing(open_engine(tiny_bundle, OPTIONS, memory_cache(0), decoders.decode)) as engine,
    ):
        index_files(library, recordings, lambda file: engine.embed(Upload(file)), {}, progress)
    return contents(library), progress.refused


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with running(1, 1) as cluster:
        yield cluster


def _library(folder: Path, bundle: Path) -> Library:
    return open_or_create_library(str(folder), LibraryModel.of(read_manifest(bundle)))


def _index(library: Library, paths: Sequence[str], bundle: Path, address: str, progress: SilentProgress) -> Any:
    plan = IndexPlan(library.location, bundle, read_manifest(bundle), OPTIONS)
    with connected(address):
        return index_on_ray(library, paths, plan, address, {}, progress)


def test_the_command_makes_the_library_that_one_process_makes(
    cluster: Any, recordings: list[str], whole: Any, tiny_bundle: Path, tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    table.write_text("path,site\n" + "".join(f"{path},north\n" for path in recordings[:3]))
    command = [
        sys.executable,
        "-m",
        "service",
        "index",
        "lib",
        str(Path(recordings[0]).parent),
        "--metadata",
        str(table),
    ]
    command += ["--bundle", str(tiny_bundle), "--ray", cluster.address]
    for n_written in (N_FILES, 0):
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=250, check=False)
        assert run.returncode == 1, run.stderr  # a recording was refused
        assert run.stdout.startswith(f"{n_written} recordings of")
        assert f"{N_FILES - n_written} unchanged, 1 refused, 1 file that is no recording skipped" in run.stdout
        refusals = [line for line in run.stderr.splitlines() if line.startswith("earmark: refused:")]
        assert refusals == [f"earmark: refused: {path}: {reason}" for path, reason in whole[1]]
    library = open_library(str(tmp_path / "lib"))
    sites = dict(
        zip(*(library.recordings(["path", "site"])[name].to_pylist() for name in ("path", "site")), strict=True)
    )
    assert [path for path, site in sites.items() if site == "north"] == [
        path for path in sites if path in recordings[:3]
    ]
    assert _without_metadata(contents(library)) == whole[0]
    assert left_overs(library) == set()


def test_a_recording_too_long_for_a_bundle_has_the_same_rows(
    recordings: list[str], whole: Any, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_workers, "BUNDLE_BYTES", 16_000 * 4 * 8)  # 8 s, so that some files are longer
    library = _library(tmp_path / "lib", tiny_bundle)
    plan = IndexPlan(library.location, tiny_bundle, read_manifest(tiny_bundle), OPTIONS)
    tower, staged = ray_workers.Tower(plan), []
    bundles = list(ray_workers.decode_files(recordings, plan))
    for bundle in bundles:
        for pickled in tower(bundle)["outcomes"].to_pylist():
            staged += [outcome.item for outcome in pickle.loads(pickled) if outcome.item]
    assert len(bundles) > 3
    library.add_staged(staged)
    assert contents(library) == whole[0]


def test_an_indexing_that_stops_in_the_middle_continues_without_duplicates_and_holes(
    cluster: Any, recordings: list[str], whole: Any, tiny_bundle: Path, tmp_path: Path
) -> None:
    library = _library(tmp_path / "lib", tiny_bundle)

    def stop() -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        _index(library, recordings, tiny_bundle, cluster.address, Watching(N_FILES // 3, stop))
    check_frames(library)
    n_done = len(library.recordings(["id"]))
    assert n_done < N_FILES
    report = _index(library, recordings, tiny_bundle, cluster.address, SilentProgress())
    assert (report.n_written, report.n_unchanged) == (N_FILES - n_done, n_done)
    library.compact()
    assert contents(library) == whole[0]
    assert left_overs(library) == set()


def test_a_driver_that_is_killed_leaves_a_library_that_can_be_completed(
    cluster: Any, recordings: list[str], whole: Any, tiny_bundle: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "service", "index", "lib", *recordings]
    command += ["--bundle", str(tiny_bundle), "--ray", cluster.address]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        data = tmp_path / "lib" / "frames.lance" / "data"
        # until the first fragment
        wait_until(lambda: process.poll() is not None or (data.is_dir() and any(data.iterdir())), limit_s=250)
        process.send_signal(signal.SIGKILL)
    library = _library(tmp_path / "lib", tiny_bundle)
    check_frames(library)
    _index(library, recordings, tiny_bundle, cluster.address, SilentProgress())
    library.compact()
    assert contents(library) == whole[0]


def test_a_node_that_is_killed_and_a_compaction_in_the_middle_change_nothing(
    recordings: list[str], whole: Any, tiny_bundle: Path, tmp_path: Path
) -> None:
    import ray

    library = _library(tmp_path / "lib", tiny_bundle)
    with running(1, 1) as cluster:
        (second,) = cluster.worker_nodes

        def disturb() -> None:
            library.compact()  # keeps the fragments that are not committed yet
            cluster.remove_node(second, allow_graceful=False)

        kill = Watching(3, disturb)
        with connected(cluster.address):
            report = _index(library, recordings, tiny_bundle, cluster.address, kill)
            wait_until(lambda: not _is_alive(ray, second))  # Ray may notice after the indexing has ended
    assert (report.n_written, report.n_skipped) == (N_FILES, 1)
    assert sorted(kill.refused) == whole[1]
    assert contents(library) == whole[0]
    assert left_overs(library) == set()


def test_a_worker_with_another_model_is_refused_and_nothing_is_written(
    cluster: Any, recordings: list[str], tiny_bundle: Path, tmp_path: Path
) -> None:
    library, manifest = _library(tmp_path / "lib", tiny_bundle), read_manifest(tiny_bundle)
    plan = IndexPlan(library.location, None, manifest, OPTIONS)  # the bundle of the package is another one
    with pytest.raises(ClusterFailed, match="cannot do this: the model is earmark-compact"), connected(cluster.address):
        index_on_ray(library, recordings, plan, cluster.address, {}, SilentProgress())
    assert len(library.recordings()) == 0


def _is_alive(ray: Any, node: Any) -> bool:
    return any(other["Alive"] for other in ray.nodes() if other["NodeID"] == node.node_id)


def _without_metadata(rows: Sequence[Any]) -> list[Any]:
    return [(replace(row, metadata={}), *others) for row, *others in rows]
