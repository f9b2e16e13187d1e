import json
from pathlib import Path

import pytest

from tests.unit.training.curation.regions.annotation_files import write_file
from training.curation.regions.label_studio import read, write
from training.curation.regions.region import Region
from training.data.example import CaptionedEvent


def label_studio_export(*results: dict, **task: object) -> str:
    annotation = {"id": 7, "completed_by": 1, "was_cancelled": False, "result": list(results)}
    return json.dumps(
        [{"id": 1, "data": {"audio": "/data/upload/3/1ab2c3d4-my%20dog.wav"}, "annotations": [annotation], **task}]
    )


LABEL = {
    "id": "M5lfg", "from_name": "labels", "to_name": "audio", "type": "labels", "original_length": 9.5,
    "value": {"start": 8.0, "end": 9.75, "channel": 0, "labels": ["Dog", "Bark"]},
}  # fmt: skip
TEXT = {
    "id": "M5lfg", "from_name": "caption", "to_name": "audio", "type": "textarea", "original_length": 9.5,
    "value": {"start": 8.0, "end": 9.75, "channel": 0, "text": ["a dog barks"]},
}  # fmt: skip
WHOLE = {"id": "q", "from_name": "quality", "to_name": "audio", "type": "choices", "value": {"choices": ["good"]}}


@pytest.mark.parametrize(("results", "caption"), [([LABEL, TEXT, WHOLE], "a dog barks"), ([LABEL], "Dog, Bark")])
def test_a_label_studio_export_gives_captions_or_else_labels(results: list[dict], caption: str, tmp_path: Path) -> None:
    file = write_file(tmp_path, label_studio_export(*results))
    assert read(file) == [Region("my dog.wav", CaptionedEvent(8.0, 9.5, caption))]


def test_predictions_in_an_export_are_not_read(tmp_path: Path) -> None:
    file = write_file(tmp_path, label_studio_export(annotations=[], predictions=[{"result": [LABEL]}]))
    assert read(file) == []


def test_a_skipped_task_gives_no_region(tmp_path: Path) -> None:
    skipped = {"result": [LABEL], "was_cancelled": True}
    assert read(write_file(tmp_path, label_studio_export(annotations=[skipped]))) == []


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"filename": "a/b.wav", "audio": "/data/upload/c.wav"}, "a/b.wav"),
        ({"audio": "/data/local-files/?d=a/my%20dog.wav"}, "a/my dog.wav"),
        ({"audio": "https://example.org/sounds/dog.wav?token=x"}, "dog.wav"),
    ],
)
def test_a_recording_is_named_by_its_file_name_or_its_url(data: dict[str, str], name: str, tmp_path: Path) -> None:
    task = json.loads(label_studio_export(LABEL))[0] | {"data": data}
    (region,) = read(write_file(tmp_path, json.dumps([task])))
    assert region.recording == name


def test_written_tasks_name_the_recording_and_hold_each_region_as_a_label_and_a_text(tmp_path: Path) -> None:
    write([Region("a/my dog.wav", CaptionedEvent(0.5, 1.5, "a dog"))], tmp_path / "tasks.json")
    (task,) = json.loads((tmp_path / "tasks.json").read_text())
    assert task["data"] == {"audio": "/data/local-files/?d=a/my%20dog.wav", "filename": "a/my dog.wav"}
    label, text = task["predictions"][0]["result"]
    assert label["id"] == text["id"]
    assert label["value"] == {"start": 0.5, "end": 1.5, "channel": 0, "labels": ["Sound"]}
    assert text["value"] == {"start": 0.5, "end": 1.5, "channel": 0, "text": ["a dog"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[{]", r"clip.txt: .*line 1 column 3"),
        ('[{"data": {}}, {"date": {}}]', r"clip.txt, task 2.data: Field required"),
        ('[{"data": {"sound": "a.wav"}}]', "task 1: 'filename' or 'audio' is needed in data; it has sound"),
        (label_studio_export({"id": "x", "value": {"start": 2, "end": 1}}), "task 1, region x: event"),
    ],
)  # fmt: skip
def test_errors_name_file_and_line(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read(write_file(tmp_path, content))
