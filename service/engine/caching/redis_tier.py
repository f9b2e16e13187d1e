"""Clip embeddings in Redis, for all processes that serve the same model: which keys hold them, and for how long."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from redis import InvalidResponse, Redis, ResponseError
from redis.client import Pipeline

from service.engine.caching.redis_link import RedisLink, RedisUnavailable
from service.engine.caching.reporting import CacheCounts
from service.engine.caching.value import HEADER_BYTES, PART_BYTES, VERSION, BadValue, ValueFormat
from service.engine.clip_embedding import ClipEmbedding

T = TypeVar("T")

_CLIP_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class RedisOptions:
    """What an operator decides about Redis; the settings EARMARK_REDIS_URL and so on.

    Attributes:
        url: Of the server.
        ttl_s: Seconds after which an embedding is forgotten.
        value_bytes: Largest embedding that is kept.
    """

    url: str
    ttl_s: int
    value_bytes: int


class RedisTier:
    """An `EmbeddingCache` in Redis, which a failure of Redis makes an empty one.

    An embedding has a key for each PART_BYTES of it, numbered from 0. How many there are stands in the first; to read
    in one round trip, all that `value_bytes` allows are asked for at once, and those beyond the last are empty. All are
    written in one transaction and end at the same time.

    Args:
        link: To Redis; closed with this.
        options: How long and how much is kept.
        value_format: Of the model's embeddings.
        space: Names the model, so that models share a Redis without sharing embeddings.
        counts: Where lookups and bad values are counted.
    """

    def __init__(
        self, link: RedisLink, options: RedisOptions, value_format: ValueFormat, space: str, counts: CacheCounts
    ) -> None:
        self._link, self._options, self._format, self._space = link, options, value_format, space
        self._counts = counts
        self._max_parts = -(-(HEADER_BYTES + options.value_bytes) // PART_BYTES)

    @property
    def in_use(self) -> bool:
        """Whether Redis did not just fail repeatedly."""
        return self._link.in_use

    def get(self, clip_id: str) -> ClipEmbedding | None:
        """The clip's embedding, or None if it is not there or cannot be had in time."""
        try:
            found = self._checked(clip_id, "get", _read_parts, self._format.read)
        except RedisUnavailable as error:
            self._counts.add("lookups", "redis", "failed" if error.asked else "skipped")
            return None
        self._counts.add("lookups", "redis", "miss" if found is None else "hit")
        return found

    def put(self, clip_id: str, embedding: ClipEmbedding) -> None:
        """Has the embedding written behind the caller's back, unless it is too large or too many wait."""
        if embedding.n_bytes > self._options.value_bytes:
            self._counts.add("drops", "too_large")
            return
        self._link.tell("put", lambda redis: self._write(redis, clip_id, embedding))

    def contains(self, clip_id: str) -> bool:
        """Whether the whole embedding is there, though perhaps not intact."""
        try:
            return bool(self._checked(clip_id, "contains", _measure_parts, self._measured))
        except RedisUnavailable:
            return False

    def answers(self) -> bool:
        """Whether Redis answers, told by asking it, unless it is left alone."""
        try:
            return bool(self._link.ask("ping", _ping))
        except RedisUnavailable:
            return False

    def close(self) -> None:
        """Writes what waits, as far as time allows, and disconnects; no call may follow."""
        self._link.close()

    def _checked(
        self,
        clip_id: str,
        operation: str,
        question: Callable[[Redis, list[str]], list[Any]],
        read: Callable[[str, list[Any]], T],
    ) -> T | None:
        """Asks about a clip and reads the replies; what is bad counts as missing, and is deleted."""
        if _CLIP_ID.fullmatch(clip_id) is None:  # may come from a client, and is nobody's id
            return None
        keys = self._keys(clip_id)
        replies = self._link.ask(operation, lambda redis: question(redis, keys))
        try:
            if any(isinstance(reply, ResponseError) for reply in replies):
                raise BadValue("type")
            return read(clip_id, replies)
        except BadValue:
            self._counts.add("bad_values")
            self._link.tell("delete", lambda redis: redis.unlink(*keys))
            return None

    def _measured(self, _clip_id: str, replies: list[Any]) -> bool:
        header, *sizes = replies
        return self._format.is_whole(header, sizes)

    def _write(self, redis: Redis, clip_id: str, embedding: ClipEmbedding) -> None:
        with _pipeline(redis, transaction=True) as transaction:
            for key, part in zip(self._keys(clip_id), self._format.write(clip_id, embedding), strict=False):
                transaction.set(key, part, ex=self._options.ttl_s)
            transaction.execute()

    def _keys(self, clip_id: str) -> list[str]:
        return [f"earmark:{VERSION}:{self._space}:{clip_id}:{part}" for part in range(self._max_parts)]


def _ping(redis: Redis) -> object:
    return redis.ping()  # pyright: ignore[reportUnknownMemberType] - untyped in redis


def _read_parts(redis: Redis, keys: list[str]) -> list[Any]:
    """What the keys hold, as bytes, which are empty for a missing key; at most a byte more than a part may have."""
    with _pipeline(redis, transaction=False) as pipeline:
        for key in keys:
            pipeline.getrange(key, 0, PART_BYTES)
        return _replies(pipeline, [bytes] * len(keys))


def _measure_parts(redis: Redis, keys: list[str]) -> list[Any]:
    """The header of the first key, and the sizes of what all keys hold, 0 for a missing one."""
    with _pipeline(redis, transaction=False) as pipeline:
        pipeline.getrange(keys[0], 0, HEADER_BYTES - 1)
        for key in keys:
            pipeline.strlen(key)
        return _replies(pipeline, [bytes, *[int] * len(keys)])


def _pipeline(redis: Redis, transaction: bool) -> Pipeline:
    return redis.pipeline(transaction)  # pyright: ignore[reportUnknownMemberType] - untyped in redis


def _replies(pipeline: Pipeline, types: list[type]) -> list[Any]:
    """A reply of its type for each command, or the error that its key holds another type.

    Raises:
        RedisError: If there is none, or another error, or it cannot be Redis that replied.
    """
    replies = pipeline.execute(raise_on_error=False)
    for reply, kind in zip(replies, types, strict=True):
        if isinstance(reply, Exception):
            if not str(reply).startswith("WRONGTYPE"):
                raise reply
        elif not isinstance(reply, kind):
            raise InvalidResponse(f"{kind.__name__} was expected, not {type(reply).__name__}")
    return replies
