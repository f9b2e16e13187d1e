from service.api.problems import PROBLEMS, all_problems
from service.client.errors import PROBLEM_CLASSES, ProblemError
from service.core.errors import EarmarkError


def test_every_problem_type_has_a_class_with_the_name_and_the_parents_of_the_error() -> None:
    for kind, problem in PROBLEMS.items():
        if kind is EarmarkError:
            continue
        parents = [parent for parent in kind.__mro__ if parent in PROBLEMS and parent is not EarmarkError]
        mirrored = [parent for parent in PROBLEM_CLASSES[problem.name].__mro__ if issubclass(parent, ProblemError)][:-1]
        assert [parent.__name__ for parent in mirrored] == [parent.__name__ for parent in parents]
        assert [parent.type_name for parent in mirrored] == [PROBLEMS[parent].name for parent in parents]


def test_every_problem_type_has_a_class_that_says_its_title() -> None:
    assert set(PROBLEM_CLASSES) == set(all_problems())
    for name, problem in all_problems().items():
        assert PROBLEM_CLASSES[name].__doc__ == f"{problem.title}."
        assert issubclass(PROBLEM_CLASSES[name], ProblemError)
