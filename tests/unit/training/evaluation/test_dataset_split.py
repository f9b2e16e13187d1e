import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from service.core.frame_grid import FrameGrid
from tests.clips import tones
from training.data.datasets import read_dataset
from training.evaluation.dataset_split import common_labels, draw, measure_dataset
from training.evaluation.localizers import BundleLocalizer, postprocessing_at

Items = Sequence[tuple[str, Mapping[str, tuple[float, float]]]]
"""Recording and when each phrase is heard in it."""
HEARD: Items = (("one", {"low": (0.4, 1.2), "high": (2.0, 3.0)}), ("two", {"middle": (1.0, 2.2)}))


class Silent:
    """Hears nothing."""

    grid = FrameGrid(16_000, 640)
    postprocessing = postprocessing_at(0.5, 0.0, 1.0)
    calibrated = False

    def __init__(self) -> None:
        self.subject: dict[str, Any] = {"kind": "fake"}
        self.asked = 0

    def scores(self, waveform: np.ndarray, queries: Sequence[str], median_filter_s: float) -> np.ndarray:
        self.asked += 1
        return np.full((len(queries), self.grid.n_frames(len(waveform))), 0.25, np.float32)


def grounding(folder: Path, **splits: Items) -> Path:
    """A folder of AudioGrounding, whose recordings hold the tones of all their items."""
    sounding: dict[str, list[tuple[str, float, float]]] = {}
    for split, items in splits.items():
        written: list[dict[str, Any]] = []
        for name, phrases in items:
            told = [{"phrase": phrase, "segments": [times]} for phrase, times in phrases.items()]
            written.append({"audio_id": f"{name}.wav", "tokens": " and ".join(phrases), "phrases": told})
            sounding.setdefault(name, []).extend((phrase, *times) for phrase, times in phrases.items())
        (folder / f"{split}.json").write_text(json.dumps(written))
    for name, events in sounding.items():
        heard = [event for event in events if event[0] in ("low", "middle", "high")]
        soundfile.write(folder / f"{name}.wav", tones(heard, 4.0), 16_000)
    return folder


def test_events_are_measured_and_tuned_on_those_of_val(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = grounding(tmp_path, test=HEARD, val=(("three", {"low": (1.0, 2.0), "middle": (2.4, 3.6)}),))
    report = measure_dataset(BundleLocalizer(tiny_bundle), "audio-grounding", folder, "test", most=10)
    told = report["localization"]
    assert told["set"]["recordings"] == 2
    assert told["set"]["labels"] == 3
    assert told["settings"]["default"]["figures"]["psds1_macro"]["value"] > 0.9
    assert "of audio-grounding, val" in told["settings"]["tuned"]["chosen"]
    assert report["retrieval"]["set"]["captions"] == 2
    assert report["unreadable"] == {"test": 0, "val": 0}


def test_what_is_tuned_is_not_measured_on_itself(tiny_bundle: Path, tmp_path: Path) -> None:
    report = measure_dataset(BundleLocalizer(tiny_bundle), "audio-grounding", grounding(tmp_path, val=HEARD), "val", 10)
    assert set(report["localization"]["settings"]) == {"default"}


def test_where_no_label_is_heard_in_val_nothing_is_chosen(tmp_path: Path) -> None:
    folder = grounding(tmp_path, test=HEARD, val=(("three", {"rain": (1.0, 2.0)}),))
    settings = measure_dataset(Silent(), "audio-grounding", folder, "test", most=10)["localization"]["settings"]
    assert set(settings) == {"default"}
    assert settings["default"]["postprocessing"]["threshold"] == 0.5
    assert "nothing that is asked for is heard in audio-grounding, val" in settings["default"]["chosen"]


def test_many_captions_are_tuned_on_the_few_of_val(tmp_path: Path) -> None:
    many = {f"phrase {i}": (0.0, 1.0) for i in range(1001)}
    folder = grounding(tmp_path, test=(("many", many), ("more", {"low": (0.0, 1.0)})), val=HEARD)
    told = measure_dataset(Silent(), "audio-grounding", folder, "test", most=10)["localization"]
    assert told["set"]["labels"] == 1002
    assert set(told["settings"]["tuned"]["labels"]) == {"all captions"}


def test_what_one_item_of_a_recording_says_is_heard_for_the_others_too(tiny_bundle: Path, tmp_path: Path) -> None:
    items = [("one", {"low": (0.4, 1.2)}), ("two", {"middle": (1.0, 2.2)}), ("one", {"high": (2.0, 3.0)})]
    report = measure_dataset(
        BundleLocalizer(tiny_bundle), "audio-grounding", grounding(tmp_path, test=items), "test", 10
    )
    assert report["localization"]["set"]["recordings"] == 2
    assert report["localization"]["settings"]["default"]["figures"]["false_presence"]["value"] == 0.0
    assert report["retrieval"]["set"] == {"name": "audio-grounding, test", "recordings": 2, "captions": 3}
    assert report["retrieval"]["figures"]["text_to_audio_r1"]["value"] == 1.0


def audioset(folder: Path, train: Mapping[str, Sequence[str]], test: Mapping[str, Sequence[str]]) -> Path:
    """A folder of AudioSet Strong: labels by segment, and audio of the eval segments alone."""
    (folder / "audio").mkdir()
    labels = {label for segments in (train, test) for own in segments.values() for label in own}
    (folder / "mid_to_display_name.tsv").write_text("".join(f"/m/{label}\t{label}\n" for label in labels))
    for table, segments in (("train", train), ("eval", test)):
        rows = [f"{name}_0\t0.5\t1.5\t/m/{label}\n" for name, own in segments.items() for label in own]
        header = "segment_id\tstart_time_seconds\tend_time_seconds\tlabel\n"
        (folder / f"audioset_{table}_strong.tsv").write_text(header + "".join(rows))
    for name in test:
        soundfile.write(folder / "audio" / f"{name}.wav", tones([], 2.0), 16_000)
    return folder


def test_audioset_strong_is_asked_for_the_labels_that_train_has_too(tmp_path: Path) -> None:
    test = {"a": ["dog", "yak"], "b": ["cat", "dog"], "c": ["rain"], "d": ["dog"]}
    folder = audioset(tmp_path, {"t": ["dog", "cat", "rain", "gnu"]}, test)
    assert common_labels(folder, "test") == ["cat", "dog", "rain"]
    drawn = measure_dataset(Silent(), "audioset-strong", folder, "test", most=2)["localization"]
    assert drawn["set"]["name"] == "audioset-strong, test, labels of train"
    assert (drawn["set"]["recordings"], drawn["set"]["labels"]) == (2, 3)


def test_audioset_strong_without_the_table_of_train_is_refused(tmp_path: Path) -> None:
    folder = audioset(tmp_path, {"t": ["dog"]}, {"a": ["dog"]})
    (folder / "audioset_train_strong.tsv").unlink()
    with pytest.raises(ValueError, match="no label of split 'test' occurs in train"):
        measure_dataset(Silent(), "audioset-strong", folder, "test", most=10)


def test_the_same_recordings_are_drawn_again(tiny_pack: Path) -> None:
    examples = read_dataset("pack", tiny_pack)
    drawn = draw(examples, "train", 5)
    assert drawn == draw(examples, "train", 5)
    assert len(drawn) == 5
    assert draw(examples, "train", 100) == [example for example in examples if example.split == "train"]
