import json
from pathlib import Path
from typing import Any

import pytest

from service.access.opening import open_access
from service.api.security_document import SCHEME
from service.app import Parts, create_app
from service.settings import Settings
from service.shutdown import Shutdown
from tests.unit.api.fake_engine import FakeEngine

OPERATIONS = (("/localize", "post"), ("/clips/{clip_id}", "head"), ("/info", "get"))


def _document(with_keys: bool, folder: Path) -> dict[str, Any]:
    (folder / "keys").touch()
    access = open_access(folder / "keys" if with_keys else None)
    app = create_app(FakeEngine(), Settings(), "0", Shutdown(), Parts(access=access))
    assert app.openapi() == app.openapi()
    return json.loads(json.dumps(app.openapi()))


@pytest.mark.parametrize("with_keys", [True, False])
def test_the_form_of_a_key_and_the_routes_that_need_one_are_documented(with_keys: bool, tmp_path: Path) -> None:
    document = _document(with_keys, tmp_path)
    scheme = document["components"]["securitySchemes"][SCHEME]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for path, method in OPERATIONS:
        assert document["paths"][path][method]["security"] == ([{SCHEME: []}] if with_keys else [{SCHEME: []}, {}])
    for path in set(document["paths"]) - {path for path, _ in OPERATIONS}:
        assert document["paths"][path]["get"]["security"] == []


def test_refusals_and_headers_are_documented_where_a_key_is_needed(tmp_path: Path) -> None:
    document = _document(True, tmp_path)
    for path, method in OPERATIONS:
        responses = document["paths"][path][method]["responses"]
        assert {"401", "429"} <= set(responses)
        for status, response in responses.items():
            assert ("RateLimit" in response.get("headers", {})) == (status != "401")
    assert "headers" not in document["paths"]["/livez"]["get"]["responses"]["200"]
