import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.errors import ParameterInvalid
from service.core.presence import PresenceRule, is_present
from service.core.segments import Segment

RULE = PresenceRule(from_s=30.0, logits_per_doubling=0.5)


def segment(score: float) -> Segment:
    return Segment(1.0, 2.0, score, 1.5)


def test_the_threshold_rises_by_the_given_logits_with_each_doubling() -> None:
    assert [RULE.threshold(0.5, duration_s) for duration_s in (0.1, 5.0, 30.0)] == [0.5, 0.5, 0.5]
    for doublings in (1, 2, 5):
        expected = 1 / (1 + math.exp(-0.5 * doublings))
        assert RULE.threshold(0.5, 30.0 * 2**doublings) == pytest.approx(expected)


def test_a_long_clip_needs_a_stronger_segment() -> None:
    segments = [segment(0.55), segment(0.6)]
    assert is_present(segments, 0.5, 30.0, RULE)
    assert is_present(segments, 0.5, 3600.0, None)
    assert not is_present(segments, 0.5, 3600.0, RULE)  # 0.97 is needed
    assert is_present([*segments, segment(0.98)], 0.5, 3600.0, RULE)


@pytest.mark.parametrize("rule", [None, RULE])
@pytest.mark.parametrize("duration_s", [1.0, 3600.0])
def test_nothing_is_present_without_a_segment(rule: PresenceRule | None, duration_s: float) -> None:
    assert not is_present([], 0.5, duration_s, rule)


@pytest.mark.parametrize("duration_s", [10.0, 3600.0])
def test_a_threshold_of_0_accepts_every_segment_of_any_clip(duration_s: float) -> None:
    assert is_present([segment(1e-6)], 0.0, duration_s, RULE)
    assert RULE.threshold(1.0, duration_s) == 1.0


@given(
    threshold=st.floats(0, 1),
    from_s=st.floats(0.1, 3600),
    slope=st.floats(0, 5),
    shorter_s=st.floats(0.01, 1e5),
    longer_s=st.floats(0.01, 1e5),
)
def test_the_threshold_never_falls_with_the_length(
    threshold: float, from_s: float, slope: float, shorter_s: float, longer_s: float
) -> None:
    shorter_s, longer_s = sorted((shorter_s, longer_s))
    rule = PresenceRule(from_s, slope)
    lower, higher = rule.threshold(threshold, shorter_s), rule.threshold(threshold, longer_s)
    assert threshold - 1e-12 <= lower <= higher + 1e-12
    assert higher <= 1


@pytest.mark.parametrize(
    ("from_s", "slope", "name"),
    [(0.0, 0.5, "from_s"), (3601.0, 0.5, "from_s"), (math.nan, 0.5, "from_s"), (30.0, -0.1, "logits_per_doubling")],
)
def test_a_rule_out_of_range_is_refused_by_name(from_s: float, slope: float, name: str) -> None:
    with pytest.raises(ParameterInvalid) as caught:
        PresenceRule(from_s, slope)
    assert caught.value.name == name
