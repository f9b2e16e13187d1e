import pytest

from service import patient_clock as patient_clock_module
from service.patient_clock import PatientClock


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


def test_the_clock_advances_at_ticks_and_hardly_while_the_event_loop_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    time = Clock()
    monkeypatch.setattr(patient_clock_module, "time", time)
    clock = PatientClock()
    began_s = clock.now_s
    time.now_s += 0.1
    assert clock.now_s == began_s
    clock.tick()
    assert clock.now_s == pytest.approx(began_s + 0.1)
    time.now_s += 60
    clock.tick()
    assert clock.now_s == pytest.approx(began_s + 0.35)
    time.now_s += 0.1
    clock.tick()
    assert clock.now_s == pytest.approx(began_s + 0.45)
