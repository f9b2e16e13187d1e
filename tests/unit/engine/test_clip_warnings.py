import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.warnings import AnswerWarning
from service.engine.clip_warnings import CLIP_WARNINGS, MAX_WARNINGS, warnings_from_bytes, warnings_to_bytes

WARNINGS = st.builds(
    lambda code, message, stretch: (
        AnswerWarning(code, message, *sorted(stretch)) if stretch else AnswerWarning(code, message)
    ),
    st.sampled_from(sorted(CLIP_WARNINGS)),
    st.text(max_size=60),
    st.none() | st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)),
)


@given(st.lists(WARNINGS, max_size=MAX_WARNINGS))
def test_warnings_survive_the_way_between_processes(warnings: list[AnswerWarning]) -> None:
    assert warnings_from_bytes(warnings_to_bytes(warnings)) == tuple(warnings)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "7",
        "[7]",
        '[["sound-lost"]]',
        '[["made-up", "words", null, null]]',
        '[[["sound-lost"], "words", null, null]]',
        '[["sound-lost", 7, null, null]]',
        json.dumps([["sound-lost", "x" * 501, None, None]]),
        '[["sound-lost", "words", 2, 1]]',
        '[["sound-lost", "words", NaN, 1]]',
        '[["sound-lost", "words", "a", "b"]]',
        json.dumps([["sound-lost", "words", None, None]] * (MAX_WARNINGS + 1)),
    ],
)
def test_malformed_warnings_are_refused(content: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        warnings_from_bytes(content.encode())
