import json
from typing import Any

import pytest

from service.api.schemas import LOCALIZE_EXAMPLE, LocalizeOut
from tests.contract.openapi_document import COMMITTED, current_document


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return json.loads(json.dumps(current_document()))


def test_the_document_is_the_committed_one(document: dict[str, Any]) -> None:
    if document != json.loads(COMMITTED.read_text()):
        pytest.fail("the API has changed; if it was meant to: python -m tests.contract.openapi_document")


def test_every_operation_is_explained(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            assert operation["description"], (method, path)


def test_every_field_of_the_form_is_explained(document: dict[str, Any]) -> None:
    form = document["paths"]["/localize"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert set(form["properties"]) == {
        "audio",
        "clip_id",
        "query",
        "like",
        "unlike",
        "threshold",
        "threshold_off",
        "median_filter_s",
        "extent_ratio",
        "min_duration_s",
        "merge_gap_s",
        "curves",
        "curve_format",
        "format",
    }
    assert all(field["description"] for field in form["properties"].values())


def test_failures_are_documented_as_problems(document: dict[str, Any]) -> None:
    for status, response in document["paths"]["/localize"]["post"]["responses"].items():
        if status != "200":
            assert list(response["content"]) == ["application/problem+json"], status


def test_the_example_fits_the_schema() -> None:
    assert LocalizeOut.model_validate(LOCALIZE_EXAMPLE).model_dump(exclude_unset=True) == LOCALIZE_EXAMPLE
