"""The JSON of Label Studio: writes tasks to annotate, and reads the exported annotations.

Set up the project in Label Studio with the labelling configuration below. Serve the folder of the recordings as local
files, with `LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED` and `LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT`::

    <View>
      <Labels name="labels" toName="audio"><Label value="Sound"/></Labels>
      <Audio name="audio" value="$audio"/>
      <TextArea name="caption" toName="audio" perRegion="true" required="true" maxSubmissions="1"/>
    </View>

A region consists of two results with the same id: one of type `labels`, and one of type `textarea` with the caption.
Label Studio's guide describes the format under "Label Studio JSON format of annotated tasks", and its reference under the
Audio tag.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs, quote, unquote, urlsplit

from pydantic import BaseModel, BeforeValidator, TypeAdapter, ValidationError

from training.curation.regions.region import Region, events_by_recording, parse_region, read_text

LOCAL_FILES = "/data/local-files/?d="
UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")

Texts = Annotated[list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]


class Value(BaseModel):
    """The times of a region in seconds, and its labels or texts. A result for the whole recording has no times."""

    start: float | None = None
    end: float | None = None
    labels: Texts = []
    text: Texts = []


class Result(BaseModel):
    """One entry of an annotation. All results of a region have the same id."""

    id: str = ""
    value: Value
    original_length: float | None = None


class Annotation(BaseModel):
    """The results that one annotator, or a model, entered for a recording."""

    result: list[Result]
    was_cancelled: bool = False


class Task(BaseModel):
    """A recording with its annotations. In an export, `annotations` is a list; tasks to annotate have only `predictions`."""

    data: dict[str, object]
    annotations: list[Annotation] | None = None
    predictions: list[Annotation] = []

    @property
    def recording(self) -> str:
        """Name of the recording: `data.filename`, which `write` sets, or else the name of the uploaded or linked file.

        Raises:
            ValueError: The task's data has neither `filename` nor `audio`.
        """
        name, audio = self.data.get("filename"), self.data.get("audio")
        if isinstance(name, str):
            return name
        if not isinstance(audio, str):
            raise ValueError(f"'filename' or 'audio' is needed in data; it has {', '.join(self.data) or 'nothing'}")
        url = urlsplit(audio)
        if local := parse_qs(url.query).get("d"):
            return local[0]
        return UPLOAD_PREFIX.sub("", unquote(url.path).rsplit("/", 1)[-1])


TASKS = TypeAdapter(list[Task])


def read(source: Path, extension: str = "") -> list[Region]:
    """Reads all regions that annotators entered, or the predicted regions of tasks without a list of annotations.

    The caption of a region is its text, or else its labels. A region is cut at the end of its recording.

    Args:
        source: the exported file.
        extension: ending to add to the names of recordings.

    Raises:
        ValueError: The file is not such JSON, or a region has no text or no length. The message names task and region.
    """
    try:
        tasks = TASKS.validate_json(read_text(source))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "".join(f", task {int(step) + 1}" if i == 0 else f".{step}" for i, step in enumerate(first["loc"]))
        raise ValueError(f"{source}{where}: {first['msg']}") from error
    return [
        region for number, task in enumerate(tasks, start=1) for region in _read_task(source, number, task, extension)
    ]


def _read_task(source: Path, number: int, task: Task, extension: str) -> Iterator[Region]:
    place = f"{source}, task {number}"
    try:
        recording = task.recording + extension
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error
    for annotation in task.predictions if task.annotations is None else task.annotations:
        regions: dict[str, list[Result]] = {}
        for i, result in enumerate(annotation.result):
            if result.value.start is not None:
                regions.setdefault(result.id or f"result {i + 1}", []).append(result)
        for name, results in regions.items() if not annotation.was_cancelled else ():
            first = results[0]
            texts = [text for r in results for text in r.value.text] or [
                text for r in results for text in r.value.labels
            ]
            offset_s = min(first.value.end or 0, first.original_length or float("inf"))
            yield parse_region(f"{place}, region {name}", recording, first.value.start or 0, offset_s, ", ".join(texts))


def write(regions: Iterable[Region], target: Path) -> None:
    """Writes tasks to annotate. The regions become predictions, which annotators see and correct."""
    tasks = []
    for recording, events in events_by_recording(regions).items():
        results = []
        for i, event in enumerate(events):
            times = {"start": event.onset_s, "end": event.offset_s, "channel": 0}
            shared = {"id": f"region{i}", "to_name": "audio"}
            results += [
                {**shared, "from_name": "labels", "type": "labels", "value": {**times, "labels": ["Sound"]}},
                {**shared, "from_name": "caption", "type": "textarea", "value": {**times, "text": [event.caption]}},
            ]
        data = {"audio": LOCAL_FILES + quote(recording), "filename": recording}
        tasks.append({"data": data, "predictions": [{"model_version": "imported", "result": results}]})
    target.write_text(json.dumps(tasks, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
