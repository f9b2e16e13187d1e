import pytest

from service.core.errors import ParameterInvalid
from service.core.example_spec import ExampleSpec, parse_example
from service.core.frame_grid import FrameGrid

GRID = FrameGrid(16_000, 640)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("street.wav@12.4-13.1", ExampleSpec("street.wav", 12.4, 13.1)),
        ("/a@b/c-d@0-.5", ExampleSpec("/a@b/c-d", 0, 0.5)),
        ("x@1-2@3-4", ExampleSpec("x@1-2", 3, 4)),
    ],
)
def test_the_last_at_sign_divides_the_recording_and_its_times(text: str, spec: ExampleSpec) -> None:
    assert parse_example("like", text) == spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("street.wav", "like is 'street.wav'; accepted: RECORDING@ONSET-OFFSET"),
        ("@1-2", "accepted: RECORDING@"),
        ("a@1", "accepted: RECORDING@"),
        ("a@-1-2", "accepted: RECORDING@"),
        ("a@1-x", "accepted: RECORDING@"),
        ("a@nan-2", "accepted: RECORDING@"),
        ("a@2-2", "an offset after the onset"),
        ("a@3-2", "an offset after the onset"),
        ("a@0-61", "at most 60 s later"),
        ("a@1-" + "9" * 400, "at most 60 s later"),
        ("y" * 500, "yyy...'; accepted"),
    ],
)
def test_other_texts_are_refused(text: str, message: str) -> None:
    with pytest.raises(ParameterInvalid, match=message):
        parse_example("like", text)


def test_an_example_has_the_frames_that_it_touches_and_at_least_one() -> None:
    assert ExampleSpec("a", 1.0, 1.08).frames("like", GRID, 100, 4.0) == (25, 27)
    assert ExampleSpec("a", 3.99, 4.03).frames("like", GRID, 100, 4.0) == (99, 100)
    with pytest.raises(ParameterInvalid, match=r"like is a@1-5; accepted: an end of at most 4.00 s"):
        ExampleSpec("a", 1.0, 5.0).frames("like", GRID, 100, 4.0)
