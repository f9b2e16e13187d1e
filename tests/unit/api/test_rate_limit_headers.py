import re

from service.access.key_limits import Balance
from service.api.rate_limit_headers import RATE_LIMIT_HEADERS, rate_limit_headers

ITEM = r'"[a-z]+"(;[a-z]+=(\d{1,15}|"[a-z-]+"))+'
"""An item of a structured field (RFC 9651): a string with parameters that are integers or strings."""


def test_both_limits_are_lists_of_items_with_the_parameters_of_the_draft() -> None:
    headers = rate_limit_headers(Balance(600, 599, 1), Balance(10**9, 12.9, 43_200))
    assert headers == {
        "RateLimit-Policy": '"requests";q=600;w=60, "audio";q=1000000000;qu="audio-seconds";w=86400',
        "RateLimit": '"requests";r=599;t=1, "audio";r=12;t=43200',
    }
    assert set(headers) == set(RATE_LIMIT_HEADERS)
    for value in headers.values():
        assert re.fullmatch(rf"{ITEM}, {ITEM}", value)


def test_a_limit_that_a_key_does_not_have_is_left_out() -> None:
    assert rate_limit_headers(None, None) == {}
    assert rate_limit_headers(None, Balance(5, 0, 1))["RateLimit"] == '"audio";r=0;t=1'
