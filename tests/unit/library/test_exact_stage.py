from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.core.scoring import EncodedQueries
from service.library import exact_stage
from service.library.exact_stage import ExactStage, ScoredQuery
from service.library.frame_blocks import BLOCK_FRAMES
from service.library.recording import LibraryModel
from service.library.snapshot import Snapshots
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
