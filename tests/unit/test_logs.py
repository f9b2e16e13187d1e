from service.logs import Throttle


def test_a_throttle_is_due_once_a_minute() -> None:
    now_s = [0.0]
    throttle = Throttle(clock=lambda: now_s[0])
    due: list[bool] = []
    for now_s[0] in (5.0, 6.0, 64.9, 65.0, 66.0, 124.9, 200.0):
        due.append(throttle.is_due())
    assert due == [True, False, False, True, False, False, True]


def test_two_throttles_are_independent() -> None:
    assert [Throttle().is_due(), Throttle().is_due()] == [True, True]
