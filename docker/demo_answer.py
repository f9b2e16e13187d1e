"""The demo recording: requests about it, and the comparison of the answer with its truth."""

import http.client
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

DEMO = Path(__file__).parents[1] / "tests" / "demo"
ABSENT = "a cat meows"
"""A query about a sound that the recording does not have."""
EXACT = ("a dog barks", "something fries in a pan")
"""Queries that must have no segment outside their events; the model confuses some of the other sounds."""
THRESHOLD = 0.2
"""The threshold that the model card names for short clips; with the default threshold half of the frying is found."""
MIN_COVERAGE = 0.5
"""Minimum fraction of each event that segments must cover."""

Interval = tuple[float, float]


def read_truth() -> dict[str, list[Interval]]:
    """The events of the recording by query, each as (onset_s, offset_s)."""
    events: dict[str, list[Interval]] = defaultdict(list)
    for event in json.loads((DEMO / "truth.json").read_text(encoding="utf-8")):
        events[event["query"]].append((event["onset_s"], event["offset_s"]))
    return dict(events)


def request(
    host: str, port: int, method: str, target: str, body: bytes | None = None, content_type: str = "audio/flac"
) -> dict[str, Any]:
    """Sends a request to the service, and returns its answer.

    Raises:
        RuntimeError: If the status is neither 200 nor 201.
    """
    connection = http.client.HTTPConnection(host, port, timeout=60)
    connection.request(method, target, body, {"Content-Type": content_type} if body else {})
    response = connection.getresponse()
    content = response.read().decode()
    if response.status not in (http.HTTPStatus.OK, http.HTTPStatus.CREATED):
        raise RuntimeError(f"{method} {target} answers {response.status}: {content}")
    return json.loads(content)


def localize(host: str, port: int, queries: Sequence[str]) -> dict[str, Any]:
    """Posts the recording to the service, and returns its answer."""
    fields = "&".join([*(f"query={quote_plus(query)}" for query in queries), f"curves=none&threshold={THRESHOLD}"])
    return request(host, port, "POST", f"/localize?{fields}", (DEMO / "scene.flac").read_bytes())


def search_library(host: str, port: int, query: str) -> list[Interval]:
    """Adds the recording to the library of the service, and returns the moments in which a query is heard."""
    head = b'--b\r\nContent-Disposition: form-data; name="audio"; filename="scene.flac"\r\n\r\n'
    body = head + (DEMO / "scene.flac").read_bytes() + b"\r\n--b--\r\n"
    request(host, port, "POST", "/library/clips", body, "multipart/form-data; boundary=b")
    search = json.dumps({"query": query, "threshold": THRESHOLD}).encode()
    answer = request(host, port, "POST", "/search", search, "application/json")
    return sorted((moment["onset_s"], moment["offset_s"]) for moment in answer["moments"])


def differences(answer: Mapping[str, Any], truth: Mapping[str, Sequence[Interval]]) -> list[str]:
    """Says in one line each where the answer differs from the truth.

    Args:
        answer: The answer to the queries of `truth` and to `ABSENT`.
        truth: The events by query.
    """
    segments = {
        result["query"]: [(segment["onset_s"], segment["offset_s"]) for segment in result["segments"]]
        for result in answer["results"]
    }
    lines = [f"no answer to {query!r}" for query in (*truth, ABSENT) if query not in segments]
    for query, events in truth.items():
        for event in events:
            covered_s = sum(_overlap_s(event, segment) for segment in segments.get(query, []))
            if covered_s < MIN_COVERAGE * (event[1] - event[0]):
                lines.append(f"{query!r} at {event} s is covered for {covered_s:.2f} s by {segments.get(query)}")
    for query in EXACT:
        for segment in segments.get(query, []):
            if not any(_overlap_s(event, segment) for event in truth[query]):
                lines.append(f"{query!r} is reported at {segment} s, where it is not heard")
    if segments.get(ABSENT):
        lines.append(f"{ABSENT!r} is reported at {segments[ABSENT]}, but the recording does not have it")
    return lines + [f"the clip has a warning: {warning}" for warning in answer["clip"]["warnings"]]


def _overlap_s(first: Interval, second: Interval) -> float:
    return max(0.0, min(first[1], second[1]) - max(first[0], second[0]))
