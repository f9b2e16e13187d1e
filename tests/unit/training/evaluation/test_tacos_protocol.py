import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from sed_scores_eval import intersection_based
from sed_scores_eval.base_modules.scores import create_score_dataframe

from tests.clips import tones
from training.data.decoding import decode
from training.evaluate import main
from training.evaluation.localizers import BundleLocalizer
from training.evaluation.tacos_protocol import evaluate_as_tacos

CLIPS = {
    "aa": (("low", 0.4, 1.2), ("middle", 1.0, 2.0)),
    "bb": (("low", 1.0, 2.0), ("low", 2.0, 2.2), ("high", 3.0, 3.4)),  # the first two touch
    "cc": (("high", 0.0, 0.8), ("middle", 2.4, 3.6)),
}
HEAD = "segment_id\tstart_time_seconds\tend_time_seconds\tlabel\n"


@pytest.fixture
def audioset(tmp_path: Path) -> Path:
    """AudioSet Strong with the tones that the tiny bundle knows. The label `only` does not occur in `train`."""
    folder = tmp_path / "audioset"
    (folder / "audio").mkdir(parents=True)
    names = ("low", "middle", "high", "only")
    (folder / "mid_to_display_name.tsv").write_text("".join(f"/m/{name}\t{name}\n" for name in names))
    rows = [f"{clip}_0\t{on}\t{off}\t/m/{name}\n" for clip, events in CLIPS.items() for name, on, off in events]
    (folder / "audioset_eval_strong.tsv").write_text(HEAD + "".join(rows) + "cc_0\t0.0\t1.0\t/m/only\n")
    train = "".join(f"dd_0\t0.0\t1.0\t/m/{name}\n" for name in names[:3])
    (folder / "audioset_train_strong.tsv").write_text(HEAD + train)
    for clip, events in CLIPS.items():
        soundfile.write(folder / "audio" / f"Y{clip}.flac", tones(events, 4.0), 16_000)
    return folder


def test_the_figures_are_those_of_sed_scores_eval_on_raw_cosines(audioset: Path, tiny_bundle: Path) -> None:
    localizer = BundleLocalizer(tiny_bundle)
    report = evaluate_as_tacos(localizer, audioset, None, most=10)
    assert report["protocol"]["set"]["recordings"] == 3
    assert list(report["protocol"]["labels"]) == ["high", "low", "middle"]
    scores, truth = {}, {}
    for clip, events in CLIPS.items():
        waveform = decode(audioset / "audio" / f"Y{clip}.flac", 16_000)
        cosines = localizer.similarities(waveform, ["high", "low", "middle"])
        assert cosines.min() < 0.3 < cosines.max() <= 1
        edges_s = localizer.grid.edges(cosines.shape[1], 4.0)
        scores[clip] = create_score_dataframe(cosines.T.astype(np.float64), edges_s, ["high", "low", "middle"])
        merged = [(1.0, 2.2, "low"), (3.0, 3.4, "high")] if clip == "bb" else [(on, off, n) for n, on, off in events]
        truth[clip] = merged
    rule: dict[str, Any] = {"dtc_threshold": 0.7, "gtc_threshold": 0.7, "alpha_st": 1.0, "max_efpr": 100.0}
    expected: Any = intersection_based.psds(scores, truth, dict.fromkeys(truth, 4.0), **rule)
    for label in ("high", "low", "middle"):
        value = report["protocol"]["labels"][label]["psds1"]["value"]
        assert value == pytest.approx(expected[1][label], abs=1e-12)
    assert report["protocol"]["figures"]["psds1"]["value"] == pytest.approx(expected[0], abs=1e-6)


def test_categories_join_labels_under_one_sentence(audioset: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    table = tmp_path / "categories.csv"
    table.write_text("category,query,label\nL,low,low\nL,low,only\nH,high,high\n")
    report = evaluate_as_tacos(BundleLocalizer(tiny_bundle), audioset, table, most=10)
    assert report["protocol"]["set"]["labels"] == 2
    assert report["protocol"]["set"]["queries"] == "sentences of categories"
    assert report["protocol"]["labels"]["H"]["psds1"]["value"] == 1.0
    assert report["protocol"]["labels"]["L"]["psds1"]["value"] < 1.0  # nothing is heard where `only` is annotated


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("L,low,low\nL,deep,high\n", "category 'L' has the queries 'low' and 'deep'"),
        ("L,low,low\nH,high,low\n", "label 'low' has the categories 'L' and 'H'"),
        ("L,low,lower\n", "labels that do not occur in .*: 'lower'"),
        ("", "has no category"),
        ("L,low\n", "2 fields; 3 are accepted"),
    ],
)
def test_a_broken_table_of_categories_is_refused(
    rows: str, message: str, audioset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    table = tmp_path / "categories.csv"
    table.write_text("category,query,label\n" + rows)
    with pytest.raises(ValueError, match=message):
        evaluate_as_tacos(BundleLocalizer(tiny_bundle), audioset, table, most=10)


def test_the_command_prints_and_writes_the_report(
    audioset: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (audioset / "audio" / "Ycc.flac").write_bytes(b"no sound")
    file = tmp_path / "report.json"
    main(["--bundle", str(tiny_bundle), "--protocol", "tacos", "--data", str(audioset), "--json", str(file)])
    report = json.loads(file.read_text())
    assert report["unreadable"] == {"test": 1}
    assert report["protocol"]["set"]["recordings"] == 2
    out = capsys.readouterr().out
    assert "recordings left out because they cannot be read: test 1" in out
    assert "  psds1_macro" in out


def test_audio_without_events_is_refused(audioset: Path, tiny_bundle: Path) -> None:
    for file in (audioset / "audio").iterdir():
        file.write_bytes(b"no sound")
    with pytest.raises(SystemExit, match="no event of the searched labels in 0 readable recordings"):
        main(["--bundle", str(tiny_bundle), "--protocol", "tacos", "--data", str(audioset)])
