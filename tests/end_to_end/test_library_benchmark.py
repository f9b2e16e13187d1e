"""The parts of `python -m tests.benchmarks.library` that need no pack of recordings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.core.scoring import EncodedQueries
from service.library import indexes
from service.library.recording import LibraryModel
from service.library.searching import Searcher, SearchOptions, SearchQuery
from service.library.store import open_library
from tests.benchmarks.library.exact_scan import exact_tops, recall
from tests.benchmarks.library.growth import draw, draw_library, rescale
from tests.benchmarks.library.quality import rank
from tests.library_parts import make_library, new_recording
from tests.manifests import make_manifest

MANIFEST = replace(make_manifest(dimension=9), scale=12.0, bias=-6.0)
OPTIONS = SearchOptions(10, "", True, MANIFEST.postprocessing)


def _queries(number: int) -> list[EncodedQueries]:
    vectors = np.random.default_rng(5).normal(size=(number, 9)).astype(np.float32)
    return [EncodedQueries(vector[None] / np.linalg.norm(vector)) for vector in vectors]


def test_the_exact_scan_finds_what_an_exact_search_finds(tmp_path: Path) -> None:
    library = make_library(tmp_path, model=LibraryModel.of(MANIFEST))
    library.add([new_recording(f"/{number}.wav", bytes([number]), 700) for number in range(4)])
    searcher, queries = Searcher(library, MANIFEST), _queries(4)
    for query, exact in zip(queries, exact_tops(library, MANIFEST, queries, 10), strict=True):
        moments = searcher.search([SearchQuery("", query)], OPTIONS).moments
        scores = [moment.segment.score for moment in moments]
        np.testing.assert_allclose(scores, sorted(exact.values(), reverse=True), atol=1e-5)
        assert recall(scores, exact) == 1
        assert recall(scores[:5], exact) == pytest.approx(5 / len(exact))
        truth = [(int(Path(m.recording.path).stem), m.segment.onset_s, m.segment.offset_s) for m in moments[::2]]
        ranking = rank(searcher, OPTIONS, query, truth)
        assert ranking.hit_rate == ranking.reachable == len(truth) / 10
        assert ranking.average_precision == pytest.approx(np.mean([(i + 1) / (2 * i + 1) for i in range(len(truth))]))


def test_drawn_libraries_have_copies_of_the_moments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "MIN_MOMENTS", 100)
    real = make_library(tmp_path / "real", model=LibraryModel.of(MANIFEST))
    real.add([new_recording(f"/{number}.wav", bytes([number]), 750) for number in range(4)])
    location, _ = draw_library(tmp_path, 10 * 30 / 3600)
    library = open_library(str(location))
    recordings = library.recordings(["id", "generation", "duration_s"])
    assert len(recordings) == len(set(recordings["id"].to_pylist())) == 10
    real_moments, moments = (each.tables.moments.to_arrow().to_pylist() for each in (real, library))
    generations = set(recordings["generation"].to_pylist())
    assert {moment["generation"] for moment in moments} == generations
    assert len(moments) == pytest.approx(2.5 * len(real_moments), rel=0.1)
    assert {moment["cells"] for moment in moments} <= {moment["cells"] for moment in real_moments}
    rescale(library, 4.0)
    assert indexes.has_moment_index(library.tables)


def test_the_growth_is_drawn(tmp_path: Path) -> None:
    lines = ["hours,p50_ms,p99_ms,cpu_p50_ms,memory_mb", "10,20,60,15,500", "100,30,90,20,600"]
    (tmp_path / "growth.csv").write_text("\n".join(lines))
    draw(tmp_path / "growth.csv", tmp_path / "growth.svg")
    assert "</svg>" in (tmp_path / "growth.svg").read_text()
