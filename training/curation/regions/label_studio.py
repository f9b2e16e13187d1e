"""Label Studio's JSON: tasks to annotate go out, what people annotated comes back.

Set the project up with this labelling configuration, and Label Studio's local files (`LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED`,
`LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT`) with the folder of the recordings::

    <View>
      <Labels name="labels" toName="audio"><Label value="Sound"/></Labels>
      <Audio name="audio" value="$audio"/>
      <TextArea name="caption" toName="audio" perRegion="true" required="true" maxSubmissions="1"/>
    </View>

A region is two results of one id: `labels`, and a `textarea` with its caption. Described in Label Studio's guide under
"Label Studio JSON format of annotated tasks" and in the reference of its Audio tag.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs, quote, unquote, urlsplit

from pydantic import BaseModel, BeforeValidator, TypeAdapter, ValidationError

from training.curation.regions.region import Region, by_recording, read_region, read_text

LOCAL_FILES = "/data/local-files/?d="
UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")

Texts = Annotated[list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]


class Value(BaseModel):
    """Where a region lies, in seconds, and what was said of it; an answer about the whole recording has no times."""

    start: float | None = None
    end: float | None = None
    labels: Texts = []
    text: Texts = []


class Result(BaseModel):
    """One answer; those of one region share an id."""

    id: str = ""
    value: Value
    original_length: float | None = None


class Answers(BaseModel):
    """What one person, or a model, said of a recording."""

    result: list[Result]
    was_cancelled: bool = False


class Task(BaseModel):
    """A recording; an export has `annotations`, tasks to annotate have only `predictions`."""

    data: dict[str, object]
    annotations: list[Answers] | None = None
    predictions: list[Answers] = []

    @property
    def recording(self) -> str:
        """The name in our own `data.filename`, else that of the uploaded or linked file.

        Raises:
            ValueError: there is neither a `filename` nor an `audio` in the task's data.
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
    """All regions that people annotated; of tasks that were never in Label Studio, those predicted.

    The text is the region's caption or, without one, its labels. A region ends at the latest with its recording.

    Raises:
        ValueError: the file is not such JSON, or a region has no text or no length; the message names task and region.
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
    for answers in task.predictions if task.annotations is None else task.annotations:
        regions: dict[str, list[Result]] = {}
        for i, result in enumerate(answers.result):
            if result.value.start is not None:
                regions.setdefault(result.id or f"result {i + 1}", []).append(result)
        for name, results in regions.items() if not answers.was_cancelled else ():
            first = results[0]
            texts = [text for r in results for text in r.value.text] or [
                text for r in results for text in r.value.labels
            ]
            offset_s = min(first.value.end or 0, first.original_length or float("inf"))
            yield read_region(f"{place}, region {name}", recording, first.value.start or 0, offset_s, ", ".join(texts))


def write(regions: Iterable[Region], target: Path) -> None:
    """Writes tasks to annotate, with the regions as predictions that an annotator begins with."""
    tasks = []
    for recording, events in by_recording(regions).items():
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
