from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from service.api import schemas
from service.api.schemas import ProblemOut, ReadyOut, ResultOut, WarningOut

SCHEMAS = [kind for kind in vars(schemas).values() if isinstance(kind, type) and issubclass(kind, BaseModel)]
RESULT: dict[str, Any] = {"query": "a dog", "present": False, "warnings": [], "clip_score": 0.1, "segments": []}


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.__name__)
def test_every_schema_is_described(schema: type[BaseModel]) -> None:
    assert schema.__doc__


@pytest.mark.parametrize("curve", [[0.1, 0.2], "zczMPQ==", None])
def test_a_curve_is_a_list_a_base64_string_or_absent(curve: object) -> None:
    members = RESULT if curve is None else RESULT | {"score": curve}
    assert ResultOut.model_validate(members).model_dump(exclude_unset=True) == members


def test_a_score_outside_0_to_1_does_not_fit_the_schema() -> None:
    with pytest.raises(ValidationError):
        ResultOut.model_validate(RESULT | {"clip_score": 1.1})


def test_a_problem_may_have_further_members() -> None:
    members = {"type": "/problems/x", "title": "X", "status": 422, "detail": "x", "limit_s": 60.0}
    assert ProblemOut.model_validate(members).model_dump() == members


def test_no_null_is_documented_for_an_absent_member() -> None:
    assert ReadyOut.model_json_schema()["properties"]["degraded"]["type"] == "array"


def test_a_warning_without_a_stretch_leaves_out_its_stretch() -> None:
    warning = WarningOut(code="query-cut", message="it is too long", onset_s=None, offset_s=None)
    assert warning.model_dump(mode="json") == {"code": "query-cut", "message": "it is too long"}
    placed = WarningOut(code="sound-lost", message="it is damaged", onset_s=0.0, offset_s=1.5)
    assert placed.model_dump(mode="json")["onset_s"] == 0.0
