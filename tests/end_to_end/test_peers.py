"""The peers of `python -m tests.benchmarks.peers` answer as the service does, so that the comparison is fair."""

from io import BytesIO

import numpy as np
import pytest

from service.core.manifest import PACKAGED_BUNDLE
from service.engine.clip import Upload
from service.engine.engine import open_engine
from service.engine.options import EngineOptions
from tests.benchmarks.load import clips, encoded
from tests.benchmarks.peers.__main__ import report
from tests.benchmarks.peers.bare import per_second
from tests.benchmarks.peers.model import Model
from tests.benchmarks.peers.scenarios import Requests, measure
from tests.benchmarks.peers.servers import QUERIES, running


@pytest.mark.parametrize("container", ["WAV", "FLAC"])
def test_peers_compute_the_scores_of_the_engine(container: str) -> None:
    clip = next(clips(1, seed=7) if container == "WAV" else encoded(1, container))
    engine = open_engine(PACKAGED_BUNDLE, EngineOptions(device="cpu"))
    postprocessing = engine.manifest.postprocessing.override(extent_ratio=1.0)
    ours = engine.localize(Upload(BytesIO(clip)), QUERIES, postprocessing)
    engine.close()
    theirs = Model(threads=1).localize(clip, QUERIES)
    assert theirs["duration_s"] == ours.duration_s
    for result, peer in zip(ours.results, theirs["results"], strict=True):
        # the engine scores from half precision, and its median filter treats the ends of a clip in another way
        np.testing.assert_allclose(peer["score"], result.score, atol=1e-2)


def test_a_server_is_measured_and_reported(capsys: pytest.CaptureFixture[str]) -> None:
    requests, bare = Requests(4, burst=3), {"WAV, 8 clients": per_second(2)}
    with running("FastAPI, 1 worker") as server:
        figures = measure(server, requests)
    assert figures["burst, answered"] == 3
    assert all(value > 0 for value in figures.values())
    report({"no server": [bare], "Earmark": [figures], "FastAPI, 1 worker": [figures]})
    assert "| WAV, 8 clients | 1.00 (1.00 to 1.00) |" in capsys.readouterr().out
