"""Requests over HTTP that wait for an answer as long as a busy machine needs; httpx gives up after 5 s."""

from functools import partial

import httpx

from tests.waiting import PATIENCE_S

get = partial(httpx.get, timeout=PATIENCE_S)
head = partial(httpx.head, timeout=PATIENCE_S)
post = partial(httpx.post, timeout=PATIENCE_S)
stream = partial(httpx.stream, timeout=PATIENCE_S)
