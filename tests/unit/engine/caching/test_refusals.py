"""The kinds of error replies, from real replies of a real server where it can be brought to give them."""

import logging

import pytest
from redis._parsers import _RESP2Parser
from redis.exceptions import ResponseError

from service.engine.caching.refusals import MEANINGS, Refusals, refusal_of
from service.engine.caching.reporting import SERIES, CacheCounts

REPLIES = {
    "OOM command not allowed when used memory > 'maxmemory'.": "full",
    "READONLY You can't write against a read only replica.": "read_only",
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.": "disk",
    "MOVED 3999 127.0.0.1:6381": "cluster",
    "ASK 3999 127.0.0.1:6381": "cluster",
    "CLUSTERDOWN Hash slot not served": "cluster",
    "CROSSSLOT Keys in request don't hash to the same slot": "cluster",
    "ERR unknown command 'GETRANGE', with args beginning with: 'key'": "not_a_store",
    "NOPERM this user has no permissions to run the 'set' command": "permission",
    "NOAUTH Authentication required.": "permission",
    "WRONGPASS invalid username-password pair or user is disabled.": "permission",
    "ERR something else": "other",
    "": "other",
}


@pytest.mark.parametrize("reply", REPLIES)
def test_every_error_reply_has_a_kind_with_a_meaning(reply: str) -> None:
    refusal = refusal_of(_RESP2Parser.parse_error(reply))
    assert refusal == REPLIES[reply]
    assert MEANINGS[refusal]


def test_every_kind_is_counted() -> None:
    assert {labels[0] for labels in SERIES["refusals"]} == set(MEANINGS)


def test_refusals_are_counted_and_each_kind_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    counts, now_s = CacheCounts(), [0.0]
    refusals = Refusals(counts, lambda: now_s[0])
    full, other = _RESP2Parser.parse_error("OOM full"), ResponseError("x" * 10_000)
    with caplog.at_level(logging.WARNING):
        for now_s[0] in (0, 1, 59, 60, 61):
            refusals.add(full, "put")
            refusals.add(other, "get")
    assert counts.read()["refusals"]["full",] == counts.read()["refusals"]["other",] == 5
    lines = [(record.getMessage(), record.__dict__["operation"]) for record in caplog.records]
    assert len(lines) == 4
    assert lines[0] == ("redis refuses requests: its memory is full (maxmemory), and its policy evicts nothing", "put")
    assert all(len(message) < 200 for message, _ in lines)
