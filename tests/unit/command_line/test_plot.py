import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from service.command_line.plot import Envelope, check_can_plot, draw, read_envelope
from service.core.errors import ParameterInvalid
from service.core.localization import QueryResult
from service.core.segments import Segment
from service.core.start_errors import PlotUnavailable
from service.engine.interface import Localization
from tests.clips import wav
from tests.manifests import make_manifest

RATE_HZ = 16_000


@pytest.mark.parametrize("name", ["out.png", "OUT.SVG", "out.pdf"])
def test_a_picture_with_a_known_ending_can_be_drawn(name: str) -> None:
    check_can_plot(Path(name))


@pytest.mark.parametrize("name", ["out.gif", "out", ".png"])
def test_a_picture_with_another_ending_is_refused(name: str) -> None:
    with pytest.raises(ParameterInvalid, match=r"\.png, \.svg, \.pdf"):
        check_can_plot(Path(name))


def test_without_matplotlib_no_picture_can_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(PlotUnavailable):
        check_can_plot(Path("out.png"))


def test_an_envelope_holds_the_extremes_of_each_block_up_to_the_last_sample() -> None:
    waveform = np.zeros(20_005, np.float32)
    waveform[3], waveform[12], waveform[-1] = 0.5, -0.25, 0.75
    envelope = read_envelope(BytesIO(wav(waveform)), RATE_HZ, len(waveform) / RATE_HZ)
    assert envelope.block_s == 10 / RATE_HZ
    assert len(envelope.lowest) == len(envelope.highest) == 2001
    assert envelope.highest[[0, 1, -1]] == pytest.approx([0.5, 0.0, 0.75], abs=1e-3)
    assert envelope.lowest[[0, 1, -1]] == pytest.approx([0.0, -0.25, 0.0], abs=1e-3)


def test_a_clip_of_one_sample_has_an_envelope() -> None:
    envelope = read_envelope(BytesIO(wav(np.full(1, 0.5, np.float32))), RATE_HZ, 1 / RATE_HZ)
    assert envelope.highest == pytest.approx([0.5], abs=1e-3)


def test_the_picture_names_the_clip_the_model_and_each_query(tmp_path: Path) -> None:
    manifest = make_manifest(name="tiny", version="1")
    curve = np.array([0.1, 0.9, 0.2], np.float32)
    results = (
        QueryResult("a dog", True, 0.9, curve, curve, (Segment(0.04, 0.08, 0.9, 0.06),)),
        QueryResult("a cat", False, 0.2, curve / 5, curve, ()),
    )
    waveform = Envelope(np.array([-0.5, -0.1], np.float32), np.array([0.5, 0.1], np.float32), 0.06)
    path = tmp_path / "out.svg"
    draw(path, "street.wav", Localization("id", 0.12, False, results), manifest, manifest.postprocessing, waveform)
    text = path.read_text()
    for title in ("street.wav  ·  tiny 1", "a dog", "a cat  (not heard)"):
        assert f"<!-- {title} -->" in text
