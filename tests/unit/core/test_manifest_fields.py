from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from service.core.bundle_errors import ManifestInvalid
from service.core.errors import ParameterInvalid
from service.core.manifest_fields import read_document, to_document


@dataclass(frozen=True)
class Inner:
    size: float
    unit: str = "mm"

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ParameterInvalid("size", f"{self.size!r}", "0 or more")


@dataclass(frozen=True)
class Outer:
    count: int
    inner: Inner
    names: tuple[str, ...]
    files: Mapping[str, str]
    other: Inner | None = None


DOCUMENT = {"count": 2, "inner": {"size": 1.5}, "names": ["a", "b"], "files": {"x": "y"}}
VALUE = Outer(2, Inner(1.5), ("a", "b"), {"x": "y"})


def test_fields_with_a_default_may_be_missing_and_are_left_out_at_any_depth() -> None:
    assert read_document(DOCUMENT, Outer) == VALUE
    assert to_document(VALUE) == DOCUMENT | {"names": ("a", "b")}
    given = DOCUMENT | {"other": {"size": 3, "unit": "cm"}}
    assert read_document(given, Outer).other == Inner(3.0, "cm")
    assert to_document(read_document(given, Outer))["other"] == {"size": 3.0, "unit": "cm"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inner": {}}, "inner.size"),
        ({"inner": {"size": -1}}, "inner.size"),
        ({"inner": {"size": 1, "unit": 3}}, "inner.unit"),
        ({"inner": {"size": 1, "colour": "red"}}, "inner.colour"),
        ({"inner": None}, "inner"),
        ({"other": None}, "other"),
        ({"count": 2.0}, "count"),
        ({"names": ["a", " "]}, "names[1]"),
        ({"files": {"x": 1}}, "files[x]"),
    ],
)
def test_errors_name_the_field(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ManifestInvalid) as caught:
        read_document(DOCUMENT | changes, Outer)
    assert caught.value.field == message


def test_long_values_are_shortened_in_errors() -> None:
    with pytest.raises(ManifestInvalid) as caught:
        read_document(DOCUMENT | {"inner": {"size": -int("9" * 400)}}, Outer)
    assert len(str(caught.value)) < 300


def test_a_required_field_that_is_missing_is_named() -> None:
    with pytest.raises(ManifestInvalid, match="count"):
        read_document({key: value for key, value in DOCUMENT.items() if key != "count"}, Outer)
    with pytest.raises(ManifestInvalid, match="a JSON object"):
        read_document([], Outer)
