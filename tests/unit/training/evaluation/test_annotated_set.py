from pathlib import Path

import numpy as np
import pytest
import soundfile

from training.data.example import CaptionedEvent, Example
from training.evaluation.annotated_set import evaluation_set_from_examples, merge_recordings


def silence(folder: Path, name: str = "silence.flac") -> Path:
    """A recording of 1 s."""
    soundfile.write(folder / name, np.zeros(16_000), 16_000)
    return folder / name


def test_recordings_of_a_pooled_set_are_queried_with_their_captions_and_those_of_other_recordings(
    tmp_path: Path,
) -> None:
    path = silence(tmp_path)
    annotated = [Example(path, "test", events=(CaptionedEvent(0.0, 0.5, f"caption {i}"),)) for i in range(1100)]
    pooled = evaluation_set_from_examples("captions", annotated)
    assert pooled.pooled
    assert all(clip.queried_labels[0] == pooled.labels.index(clip.events[0][0]) for clip in pooled.clips)
    assert all(len(set(clip.queried_labels)) == 5 for clip in pooled.clips)
    assert pooled.scored_labels == ("all captions",)


def test_up_to_1000_labels_are_searched_for_in_every_recording(tmp_path: Path) -> None:
    path = silence(tmp_path)
    annotated = [Example(path, "test", events=(CaptionedEvent(0.0, 0.5, text),)) for text in ("rain", "a dog")]
    evaluation_set = evaluation_set_from_examples("captions", annotated)
    assert evaluation_set.labels == ("a dog", "rain")
    assert evaluation_set.queries == (("a dog",), ("rain",))
    assert [clip.queried_labels for clip in evaluation_set.clips] == [(0, 1), (0, 1)]
    assert [clip.duration_s for clip in evaluation_set.clips] == [1.0, 1.0]


def test_only_the_given_labels_are_searched_for(tmp_path: Path) -> None:
    annotated = [Example(silence(tmp_path), "test", events=(CaptionedEvent(0.0, 0.5, "rain"),))]
    evaluation_set = evaluation_set_from_examples("captions", annotated, labels=["wind"])
    assert evaluation_set.labels == ("wind",)
    assert not evaluation_set.has_events


def test_a_set_without_events_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none of 1 recordings has an event"):
        evaluation_set_from_examples("clotho, test", [Example(tmp_path / "a.wav", "test", ("rain",))])


def test_examples_of_the_same_recording_and_split_are_merged() -> None:
    dog, rain = CaptionedEvent(0.0, 0.5, "a dog"), CaptionedEvent(0.2, 0.8, "rain")
    examples = [
        Example(Path("a.wav"), "test", ("a dog",), (dog,)),
        Example(Path("b.wav"), "test", ("wind",)),
        Example(Path("a.wav"), "test", ("rain", "a dog"), (rain,)),
        Example(Path("a.wav"), "val", ("a dog",), (dog,)),
    ]
    assert merge_recordings(examples) == [
        Example(Path("a.wav"), "test", ("a dog", "rain"), (dog, rain)),
        Example(Path("b.wav"), "test", ("wind",)),
        Example(Path("a.wav"), "val", ("a dog",), (dog,)),
    ]
