import pickle
import re

import pytest

from service.core import errors
from service.core.errors import EarmarkError


def _leaves(kind: type[EarmarkError]) -> list[type[EarmarkError]]:
    children = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    return [leaf for child in children for leaf in _leaves(child)] if children else [kind]


def _example(kind: type[EarmarkError]) -> EarmarkError:
    values = {"int": 7, "float": 7.5, "str": "seven"}
    kinds = [getattr(field.type, "__name__", field.type) for field in kind.__dataclass_fields__.values()]
    return kind(*[values[name] for name in kinds if name in values])


def _drawn_names() -> set[str]:
    return set(re.findall(r"^    [ │├└─]*(\w+)", errors.__doc__ or "", re.MULTILINE))


@pytest.mark.parametrize("kind", _leaves(EarmarkError))
def test_every_error_message_is_one_line_with_all_data(kind: type[EarmarkError]) -> None:
    error = _example(kind)
    assert "\n" not in str(error)
    for value in error.data.values():
        shown = str(value)[:1] if isinstance(value, float) else str(value)
        assert shown in str(error)


@pytest.mark.parametrize("kind", _leaves(EarmarkError))
def test_every_error_can_be_pickled(kind: type[EarmarkError]) -> None:
    error = _example(kind)
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is kind
    assert back.data == error.data


def test_the_tree_in_the_docstring_is_the_tree_of_the_module() -> None:
    classes = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert _drawn_names() == classes


def test_a_message_names_the_setting_that_decides() -> None:
    assert str(errors.AudioTooLong(3600)) == (
        "clip lasts more than 3600 s; at most 3600 s is accepted (EARMARK_MAX_CLIP_S)"
    )
