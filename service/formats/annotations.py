"""Annotations in JSON: JAMS (Humphrey et al., ISMIR 2014)."""

import json
from typing import Any

from service.formats.document import Document

_JAMS_VERSION = "0.3.4"


def as_jams(document: Document) -> str:
    """Renders a JAMS file with one annotation of the namespace `tag_open`, whose confidence is the score."""
    name, version = document.model
    observations = [
        {
            "time": each.onset_s,
            "duration": round(each.offset_s - each.onset_s, 6),
            "value": each.query,
            "confidence": each.score,
        }
        for each in document.by_time
    ]
    annotation: dict[str, Any] = {
        "namespace": "tag_open",
        "time": 0.0,
        "duration": document.duration_s,
        "data": observations,
        "annotation_metadata": {
            "curator": {"name": "", "email": ""},
            "annotator": {},
            "version": version,
            "corpus": "",
            "annotation_tools": f"Earmark, model {name}",
            "annotation_rules": "",
            "validation": "",
            "data_source": "program",
        },
        "sandbox": {},
    }
    file: dict[str, Any] = {
        "annotations": [annotation],
        "file_metadata": {
            "title": document.name,
            "artist": "",
            "release": "",
            "duration": document.duration_s,
            "identifiers": {"earmark_clip_id": document.clip_id},
            "jams_version": _JAMS_VERSION,
        },
        "sandbox": {},
    }
    return json.dumps(file, indent=2, ensure_ascii=False) + "\n"
