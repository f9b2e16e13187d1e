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
from training.evaluation.dataset_split import common_labels, draw_recordings, evaluate_dataset
from training.evaluation.localizers import BundleLocalizer, postprocessing_at

Items = Sequence[tuple[str, Mapping[str, tuple[float, float]]]]
"""Name of each recording, and onset and offset of each phrase in it."""
ITEMS: Items = (("one", {"low": (0.4, 1.2), "high": (2.0, 3.0)}), ("two", {"middle": (1.0, 2.2)}))


class ConstantLocalizer:
    """Gives every frame the score 0.25."""

    grid = FrameGrid(16_000, 640)
    postprocessing = postprocessing_at(0.5, 0.0, 1.0)
    presence = None
    calibrated = False

    def __init__(self) -> None:
        self.subject: dict[str, Any] = {"kind": "fake"}

    def scores(self, waveform: np.ndarray, queries: Sequence[str], median_filter_s: float) -> np.ndarray:
        return np.full((len(queries), self.grid.n_frames(len(waveform))), 0.25, np.float32)

    def similarities(self, waveform: np.ndarray, queries: Sequence[str]) -> np.ndarray:
        return self.scores(waveform, queries, 0.0)


def grounding(folder: Path, **splits: Items) -> Path:
    """Writes a folder of AudioGrounding; each recording has the tones of all its items."""
    events_by_name: dict[str, list[tuple[str, float, float]]] = {}
    for split, items in splits.items():
        entries: list[dict[str, Any]] = []
        for name, phrases in items:
            phrase_entries = [{"phrase": phrase, "segments": [times]} for phrase, times in phrases.items()]
            entries.append({"audio_id": f"{name}.wav", "tokens": " and ".join(phrases), "phrases": phrase_entries})
            events_by_name.setdefault(name, []).extend((phrase, *times) for phrase, times in phrases.items())
        (folder / f"{split}.json").write_text(json.dumps(entries))
    for name, events in events_by_name.items():
        audible = [event for event in events if event[0] in ("low", "middle", "high")]
        soundfile.write(folder / f"{name}.wav", tones(audible, 4.0), 16_000)
    return folder


def test_a_split_with_events_is_tuned_on_val(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = grounding(tmp_path, test=ITEMS, val=(("three", {"low": (1.0, 2.0), "middle": (2.4, 3.6)}),))
    report = evaluate_dataset(BundleLocalizer(tiny_bundle), "audio-grounding", folder, "test", most=10)
    localization = report["localization"]
    assert localization["set"]["recordings"] == 2
    assert localization["set"]["labels"] == 3
    assert localization["settings"]["default"]["figures"]["psds1_macro"]["value"] > 0.9
    assert "on audio-grounding, val" in localization["settings"]["tuned"]["chosen"]
    assert report["retrieval"]["set"]["captions"] == 2
    assert report["unreadable"] == {"test": 0, "val": 0}


def test_val_is_not_tuned_on_itself(tiny_bundle: Path, tmp_path: Path) -> None:
    report = evaluate_dataset(
        BundleLocalizer(tiny_bundle), "audio-grounding", grounding(tmp_path, val=ITEMS), "val", 10
    )
    assert set(report["localization"]["settings"]) == {"default"}


def test_nothing_is_tuned_on_a_val_split_without_events_of_the_labels(tmp_path: Path) -> None:
    folder = grounding(tmp_path, test=ITEMS, val=(("three", {"rain": (1.0, 2.0)}),))
    settings = evaluate_dataset(ConstantLocalizer(), "audio-grounding", folder, "test", most=10)["localization"][
        "settings"
    ]
    assert set(settings) == {"default"}
    assert settings["default"]["postprocessing"]["threshold"] == 0.5
    assert "no label has an event in the tuning set audio-grounding, val" in settings["default"]["chosen"]


def test_a_pooled_set_is_tuned_on_a_pooled_val_split(tmp_path: Path) -> None:
    many = {f"phrase {i}": (0.0, 1.0) for i in range(1001)}
    folder = grounding(tmp_path, test=(("many", many), ("more", {"low": (0.0, 1.0)})), val=ITEMS)
    localization = evaluate_dataset(ConstantLocalizer(), "audio-grounding", folder, "test", most=10)["localization"]
    assert localization["set"]["labels"] == 1002
    assert set(localization["settings"]["tuned"]["labels"]) == {"all captions"}


def test_items_of_the_same_recording_are_merged(tiny_bundle: Path, tmp_path: Path) -> None:
    items = [("one", {"low": (0.4, 1.2)}), ("two", {"middle": (1.0, 2.2)}), ("one", {"high": (2.0, 3.0)})]
    report = evaluate_dataset(
        BundleLocalizer(tiny_bundle), "audio-grounding", grounding(tmp_path, test=items), "test", 10
    )
    assert report["localization"]["set"]["recordings"] == 2
    assert report["localization"]["settings"]["default"]["figures"]["false_presence"]["value"] == 0.0
    assert report["retrieval"]["set"] == {"name": "audio-grounding, test", "recordings": 2, "captions": 3}
    assert report["retrieval"]["figures"]["text_to_audio_r1"]["value"] == 1.0


def audioset(folder: Path, train: Mapping[str, Sequence[str]], test: Mapping[str, Sequence[str]]) -> Path:
    """Writes a folder of AudioSet Strong with audio of the eval recordings only, from the labels of each recording."""
    (folder / "audio").mkdir()
    labels = {label for recordings in (train, test) for names in recordings.values() for label in names}
    (folder / "mid_to_display_name.tsv").write_text("".join(f"/m/{label}\t{label}\n" for label in labels))
    for table, recordings in (("train", train), ("eval", test)):
        rows = [f"{name}_0\t0.5\t1.5\t/m/{label}\n" for name, names in recordings.items() for label in names]
        header = "segment_id\tstart_time_seconds\tend_time_seconds\tlabel\n"
        (folder / f"audioset_{table}_strong.tsv").write_text(header + "".join(rows))
    for name in test:
        soundfile.write(folder / "audio" / f"{name}.wav", tones([], 2.0), 16_000)
    return folder


def test_audioset_strong_is_evaluated_on_the_labels_that_train_has_too(tmp_path: Path) -> None:
    test = {"a": ["dog", "yak"], "b": ["cat", "dog"], "c": ["rain"], "d": ["dog"]}
    folder = audioset(tmp_path, {"t": ["dog", "cat", "rain", "gnu"]}, test)
    assert common_labels(folder, "test") == ["cat", "dog", "rain"]
    localization = evaluate_dataset(ConstantLocalizer(), "audioset-strong", folder, "test", most=2)["localization"]
    assert localization["set"]["name"] == "audioset-strong, test, labels of train"
    assert (localization["set"]["recordings"], localization["set"]["labels"]) == (2, 3)


def test_audioset_strong_without_the_table_of_train_is_refused(tmp_path: Path) -> None:
    folder = audioset(tmp_path, {"t": ["dog"]}, {"a": ["dog"]})
    (folder / "audioset_train_strong.tsv").unlink()
    with pytest.raises(ValueError, match="no label of split 'test' occurs in train"):
        evaluate_dataset(ConstantLocalizer(), "audioset-strong", folder, "test", most=10)


def test_the_same_recordings_are_drawn_every_time(tiny_pack: Path) -> None:
    examples = read_dataset("pack", tiny_pack)
    drawn = draw_recordings(examples, "train", 5)
    assert drawn == draw_recordings(examples, "train", 5)
    assert len(drawn) == 5
    assert draw_recordings(examples, "train", 100) == [example for example in examples if example.split == "train"]
