import asyncio

import pytest

from service.request_fields import add_request_fields, request_fields


def test_outside_a_request_fields_are_ignored() -> None:
    add_request_fields(key="a")
    assert request_fields.get() is None


@pytest.mark.parametrize("name", ["name", "message", "args", "exc_info"])
def test_names_that_logging_uses_are_refused_at_once(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        add_request_fields(**{name: 1})


def test_fields_are_added_and_replaced_within_a_request() -> None:
    token = request_fields.set({"route": "/localize"})
    try:
        add_request_fields(key="a", cached=False)
        add_request_fields(cached=True)
        assert request_fields.get() == {"route": "/localize", "key": "a", "cached": True}
    finally:
        request_fields.reset(token)


def test_requests_that_run_at_the_same_time_have_separate_fields() -> None:
    async def handle(key: str) -> object:
        request_fields.set({})
        await asyncio.sleep(0)
        add_request_fields(key=key)
        await asyncio.to_thread(add_request_fields, worker=key)  # worker threads belong to the request, too
        return request_fields.get()

    async def handle_both() -> list[object]:
        return list(await asyncio.gather(handle("a"), handle("b")))

    assert asyncio.run(handle_both()) == [{"key": "a", "worker": "a"}, {"key": "b", "worker": "b"}]
