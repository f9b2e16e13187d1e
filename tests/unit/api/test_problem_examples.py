import pytest
from fastapi import FastAPI

from service.api.problem_examples import LOCALIZE_PROBLEMS, document_problems, problem_responses
from service.api.problems import MEDIA_TYPE, problem_body, problem_of
from service.api.schemas import ProblemOut
from service.core.errors import EarmarkError


@pytest.mark.parametrize("error", LOCALIZE_PROBLEMS, ids=lambda error: type(error).__name__)
def test_each_example_is_the_body_of_the_real_answer_under_its_status(error: EarmarkError) -> None:
    problem = problem_of(type(error))
    example = problem_responses()[problem.status]["content"][MEDIA_TYPE]["examples"][problem.name]
    assert example == {"summary": problem.title, "value": problem_body(error)}
    assert ProblemOut.model_validate(example["value"]).status == problem.status


def test_the_statuses_are_in_ascending_order() -> None:
    statuses = list(problem_responses())
    assert statuses == sorted(statuses, key=str)
    assert len(statuses) == len({problem_of(type(error)).status for error in LOCALIZE_PROBLEMS})


def test_the_schema_to_which_the_examples_refer_is_in_the_document() -> None:
    app = FastAPI()

    @app.get("/answer", response_model=ProblemOut)
    def answer() -> None: ...

    document_problems(app)
    reference = problem_responses()[404]["content"][MEDIA_TYPE]["schema"]["$ref"]
    assert app.openapi()["components"]["schemas"][reference.rpartition("/")[2]] == ProblemOut.model_json_schema()
