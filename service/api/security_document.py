"""API keys in the OpenAPI document: the form of a key, and the routes that need one."""

from typing import Any

from fastapi import FastAPI

from service.api.access import needs_key

SCHEME = "apiKey"
_DESCRIPTION = "A key that the operator of the service has made. It is sent as `Authorization: Bearer KEY`."


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
        return document

    app.openapi = openapi
