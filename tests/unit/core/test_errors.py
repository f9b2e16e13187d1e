import pickle
import re
from types import ModuleType

import pytest

from service.core import access_errors, bundle_errors, errors, library_errors, request_errors, start_errors
from service.core.access_errors import AccessError
from service.core.bundle_errors import BundleError
from service.core.errors import EarmarkError
from service.core.library_errors import LibraryError
from service.core.request_errors import RequestError
from service.core.start_errors import StartError

MODULES = tuple(
    module.__name__ for module in (access_errors, bundle_errors, errors, library_errors, request_errors, start_errors)
)


def _leaves(kind: type[EarmarkError]) -> list[type[EarmarkError]]:
    children = [child for child in kind.__subclasses__() if child.__module__ in MODULES]
    return [leaf for child in children for leaf in _leaves(child)] if children else [kind]


def _example(kind: type[EarmarkError]) -> EarmarkError:
    values = {"int": 7, "float": 7.5, "str": "seven"}
    kinds = [getattr(field.type, "__name__", field.type) for field in kind.__dataclass_fields__.values()]
    return kind(*[values[name] for name in kinds if name in values])


def _drawn_names(module: ModuleType) -> set[str]:
    return set(re.findall(r"^    [ │├└─]*(\w+)", module.__doc__ or "", re.MULTILINE))


def _defined_names(module: ModuleType) -> set[str]:
    values = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Exception)]
    return {value.__name__ for value in values if value.__module__ == module.__name__}


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


def test_the_trees_in_the_docstrings_are_the_trees_of_the_modules() -> None:
    assert _drawn_names(errors) == _defined_names(errors) | {
        kind.__name__ for kind in (AccessError, LibraryError, StartError, RequestError)
    }
    assert _drawn_names(access_errors) == _defined_names(access_errors)
    assert _drawn_names(library_errors) == _defined_names(library_errors)
    assert _drawn_names(request_errors) == _defined_names(request_errors)
    assert _drawn_names(bundle_errors) == _defined_names(bundle_errors)
    assert _drawn_names(start_errors) == _defined_names(start_errors) | {BundleError.__name__}


def test_a_message_names_the_setting_that_decides() -> None:
    assert str(errors.AudioTooLong(3600)) == (
        "clip lasts more than 3600 s; at most 3600 s is accepted (EARMARK_MAX_CLIP_S)"
    )
