"""API keys in the OpenAPI document: the form of a key, and the routes that need one."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from service.api.access import needs_key
from service.api.problems import MEDIA_TYPE
from service.api.rate_limit_headers import RATE_LIMIT_HEADERS
from service.api.schemas import ProblemOut

SCHEME = "apiKey"
_HEADERS = {
    name: {"description": meaning, "schema": {"type": "string"}} for name, meaning in RATE_LIMIT_HEADERS.items()
}
_DESCRIPTION = "A key that the operator of the service has made. It is sent as `Authorization: Bearer KEY`."


def _document_answers(responses: dict[str, Any]) -> None:
    """Adds the headers to the answers, and the refusals that an operation does not document in detail."""
    schema = {"$ref": f"#/components/schemas/{ProblemOut.__name__}"}
    for status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS):
        refusal = {"description": status.phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        responses.setdefault(str(int(status)), refusal)
    for status, response in responses.items():
        if status != str(int(HTTPStatus.UNAUTHORIZED)):
            response.setdefault("headers", {}).update(_HEADERS)


def document_keys(app: FastAPI, are_required: bool) -> None:
    """Adds the keys to the OpenAPI document of an app.

    Args:
        app: The app.
        are_required: Whether the service has keys; otherwise a key is documented as optional.
    """
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        scheme = {"type": "http", "scheme": "bearer", "description": _DESCRIPTION}
        document["components"]["securitySchemes"] = {SCHEME: scheme}
        accepted: list[dict[str, list[str]]] = [{SCHEME: []}] if are_required else [{SCHEME: []}, {}]
        for path, operations in document["paths"].items():
            for operation in operations.values():
                operation["security"] = accepted if needs_key(path) else []
                if needs_key(path):
                    _document_answers(operation["responses"])
        return document

    app.openapi = openapi
