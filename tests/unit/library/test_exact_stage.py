from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.core.scoring import EncodedQueries
from service.library import block_curves, exact_stage
from service.library.exact_stage import ExactStage, ScoredQuery
from service.library.frame_blocks import BLOCK_FRAMES, n_blocks
from service.library.frame_reader import BlockRange, Float16
from service.library.recording import LibraryModel
from service.library.snapshot import Snapshots
from service.library.store import Library
from tests.library_parts import frames_of, make_library, new_recording
from tests.manifests import make_manifest

MANIFEST = replace(make_manifest(dimension=9), scale=12.0, bias=-6.0)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExactStage:
    monkeypatch.setattr(exact_stage, "WHOLE_BLOCKS", 1)
    library = make_library(tmp_path, model=LibraryModel.of(MANIFEST))
    library.add([new_recording("/a", b"/a", 5_000)])
    encoded = EncodedQueries(frames_of(b"/a", 5_000)[2_000:2_001].astype(np.float32))
    return ExactStage(library, Snapshots(library).read(), ScoredQuery(encoded, MANIFEST, MANIFEST.postprocessing), 50)


def test_only_the_blocks_around_a_candidate_are_read(stage: ExactStage) -> None:
    stage.look_at([(0, 2_000, 2_010)])
    assert any(segment.onset_s <= 80.1 and segment.offset_s >= 80.0 for segment in stage.found.values())
    assert stage.has_read(0, 2_000, 2_010)
    assert not stage.has_read(0, 4_000, 4_010)
    ((begin, end),) = stage.read[0]
    assert end - begin <= 8 * BLOCK_FRAMES


def test_only_segments_that_may_be_among_the_best_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = make_library(tmp_path, model=LibraryModel.of(MANIFEST))
    query = np.eye(9, dtype=np.float32)[:1]
    for number, similarity in enumerate([0.7, 0.9, 0.8]):  # each recording is a sound of 400 s
        recording = new_recording(f"/{number}", bytes([number]), 10_000)
        frame = np.array([similarity, np.sqrt(1 - similarity**2), *np.zeros(7)], np.float16)
        library.add([replace(recording, embedding=replace(recording.embedding, stored=np.tile(frame, (10_000, 1))))])
    snapshot = Snapshots(library).read()
    rows = [
        Snapshots(library).recordings([generation])[generation].path for generation in snapshot.generations.tolist()
    ]
    read: list[tuple[int, int]] = []
    read_ranges = block_curves.read_ranges

    def counting(library: Library, ranges: Sequence[BlockRange]) -> Mapping[BlockRange, Float16 | None]:
        read.extend((each.generation, each.end - each.begin) for each in ranges)
        return read_ranges(library, ranges)

    monkeypatch.setattr(block_curves, "read_ranges", counting)
    scored = ScoredQuery(EncodedQueries(query), MANIFEST, MANIFEST.postprocessing)
    stage = ExactStage(library, snapshot, scored, 1)
    stage.look_at([(row, 5_000, 5_010) for row in range(3)])
    best = int(snapshot.generations[rows.index("/1")])
    ((row, onset_s), segment), *_ = sorted(stage.found.items(), key=lambda item: -item[1].score)
    assert (int(snapshot.generations[row]), onset_s, segment.offset_s) == (best, 0.0, 400.0)
    assert sum(n for generation, n in read if generation == best) == n_blocks(10_000)  # each block once
    assert sum(n for generation, n in read if generation != best) <= 6


def test_only_the_best_are_kept(stage: ExactStage) -> None:
    stage.look_at([(0, 0, 5_000)])
    scores = sorted((segment.score for segment in stage.found.values()), reverse=True)
    assert len(scores) > 3
    stage.top = 3
    stage.keep_best()
    assert sorted((segment.score for segment in stage.found.values()), reverse=True) == scores[:3]


def test_a_removed_recording_is_not_looked_at_again(stage: ExactStage) -> None:
    stage.library.remove(stage.library.recordings(["id"])["id"].to_pylist())
    stage.look_at([(0, 2_000, 2_010)])
    assert stage.found == {}
    assert stage.has_read(0, 0, 5_000)
