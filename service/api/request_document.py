"""OpenAPI description of what POST /localize accepts: its bodies, and the fields in its URL."""

from copy import deepcopy
from typing import Any

from service.api.localize_body import AUDIO_TYPES
from service.api.localize_form import REPEATABLE, LocalizeForm
from service.api.text_fields import JSON, URLENCODED

MULTIPART = "multipart/form-data"
_NOT_IN_URL = ("audio", "clip_id")


def request_body() -> dict[str, Any]:
    """The bodies by media type: a clip is sent as a file or as the body, or a known clip is named by its id.

    Only the description says that a form has exactly one of `audio` and `clip_id`: client generators make no class of a schema
    with `oneOf` beside its properties.
    """
    form = LocalizeForm.model_json_schema()
    known_clip = deepcopy(form)
    del known_clip["properties"]["audio"]
    known_clip |= {
        "title": "KnownClip",
        "description": "A `clip_id` and at least one `query` or `like`; a clip that is not known cannot be sent in this way.",
        "required": ["clip_id"],
    }
    as_json = deepcopy(known_clip)
    for name in REPEATABLE:
        member = as_json["properties"][name]
        kept = {key: member[key] for key in ("description", "examples") if key in member}
        text = {"type": "string", "minLength": 1}
        as_json["properties"][name] = kept | {"anyOf": [text, {"type": "array", "items": text}]}
    exploded = {name: {"style": "form", "explode": True} for name in REPEATABLE}
    audio = {
        "schema": {
            "type": "string",
            "format": "binary",
            "description": "The audio file itself; the queries and the other fields are in the URL.",
        }
    }
    content = {
        MULTIPART: {"schema": form, "encoding": exploded},
        URLENCODED: {"schema": known_clip, "encoding": exploded},
        JSON: {"schema": as_json},
        **dict.fromkeys(AUDIO_TYPES, audio),
    }
    return {"required": True, "content": content}


def url_parameters() -> list[dict[str, Any]]:
    """The fields that the URL may have: all fields of the form but the clip.

    They have no defaults: generated clients would send the defaults in the URL, beside the values of the body.
    """
    properties = LocalizeForm.model_json_schema()["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": f"{schema['description']} In the URL if the body is the audio itself.",
            "schema": {key: value for key, value in schema.items() if key not in ("description", "default")},
        }
        for name, schema in properties.items()
        if name not in _NOT_IN_URL
    ]
