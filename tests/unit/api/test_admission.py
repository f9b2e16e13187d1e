import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.admission import Admission
from service.core.errors import ServiceEnding, TooManyBytes, TooManyRequests


def admission(
    max_requests: int = 2, max_bytes: int = 100, backlog_s: float = 0.0, shutting_down: bool = False
) -> Admission:
    return Admission(max_requests, max_bytes, backlog_s=lambda: backlog_s, is_shutting_down=lambda: shutting_down)


def test_a_request_frees_its_reservation_however_it_ends() -> None:
    entry = admission(max_requests=1)
    for _ in range(3):
        with pytest.raises(TooManyBytes), entry.admit() as admitted:
            entry.reserve(admitted, 101)
        with entry.admit() as admitted:
            entry.reserve(admitted, 100)


def test_no_more_requests_than_the_limit_are_admitted() -> None:
    entry = admission(max_requests=2, backlog_s=7.2)
    with entry.admit(), entry.admit():
        with pytest.raises(TooManyRequests) as refused, entry.admit():
            pytest.fail("admitted")
        assert (refused.value.limit, refused.value.retry_after_s) == (2, 8)
    assert entry.refused == {"requests": 1, "bytes": 0, "ending": 0}


def test_bytes_are_reserved_once_however_often_they_are_reported() -> None:
    entry = admission(max_bytes=100)
    with entry.admit() as first, entry.admit() as second:
        for n_bytes in (60, 10, 60):  # announced by Content-Length, then received piece by piece
            entry.reserve(first, n_bytes)
        entry.reserve(second, 40)
        with pytest.raises(TooManyBytes) as refused:
            entry.reserve(second, 41)
        assert refused.value.retry_after_s == 1
    assert entry.refused["bytes"] == 1


def test_no_request_is_admitted_during_the_shutdown() -> None:
    entry = admission(shutting_down=True)
    with pytest.raises(ServiceEnding), entry.admit():
        pytest.fail("admitted")
    assert entry.refused["ending"] == 1


@given(st.lists(st.lists(st.integers(0, 60), max_size=4), max_size=8))
def test_reserved_bytes_never_exceed_the_limit_and_are_released(requests: list[list[int]]) -> None:
    entry = admission(max_requests=100, max_bytes=100)
    for reports in requests:
        with entry.admit() as admitted, entry.admit() as other:
            for n_bytes in reports:
                try:
                    entry.reserve(admitted, n_bytes)
                    entry.reserve(other, n_bytes)
                except TooManyBytes:
                    break
                assert admitted.reserved_bytes + other.reserved_bytes <= 100
    with entry.admit() as admitted:
        entry.reserve(admitted, 100)
