"""The shared tier of the cache: clip embeddings in Redis, for all processes that serve the same model."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from redis import InvalidResponse, Redis, ResponseError
from redis.client import Pipeline

from service.engine.caching.breaker import BreakerState
from service.engine.caching.redis_link import RedisLink, RedisUnavailable
from service.engine.caching.reporting import CacheCounts
from service.engine.caching.value import HEADER_BYTES, MAX_WARNING_BYTES, PART_BYTES, VERSION, BadValue, ValueFormat
from service.engine.clip_embedding import ClipEmbedding

T = TypeVar("T")

_CLIP_ID = re.compile(r"[0-9a-f]{64}")
_PROBES = 17
"""Number of keys in a check. They rarely all lie on the same node, even if a cluster has only two nodes."""
_PROBE_TTL_MS = 1000


@dataclass(frozen=True, slots=True)
class RedisOptions:
    """What the operator sets about Redis: the settings EARMARK_REDIS_*.

    Attributes:
        url: URL of the server.
        ttl_s: Time after which a stored embedding expires, in seconds.
        value_bytes: Size of the largest embedding that is stored, in bytes.
        key: Secret key that authenticates the stored embeddings; empty for none.
    """

    url: str = field(repr=False)
    ttl_s: int
    value_bytes: int
    key: str = field(default="", repr=False)


class RedisTier:
    """A `SharedTier` in Redis. While Redis fails, the tier looks empty.

    An embedding is stored in parts of PART_BYTES, each under its own key; the keys are numbered from 0. The header in
    the first part gives the number of parts. To read an embedding in one round trip, all keys that `value_bytes` allows
    are requested at once; the keys after the last part are empty. All parts are written in one transaction and expire
    at the same time. The keys of a clip have a hash tag in braces, so a Redis Cluster behind a proxy keeps them
    together. Values that were written with another secret key have other Redis keys, and are neither read nor deleted.

    Args:
        link: The connection to Redis, which is closed together with the tier.
        options: Expiry time and size limit of the stored embeddings.
        value_format: Serializes the model's embeddings.
        model_id: Id of the model; it is part of the keys, so models that share a Redis do not share embeddings.
        counts: Counters of lookups, drops and bad values.
    """

    def __init__(
        self, link: RedisLink, options: RedisOptions, value_format: ValueFormat, model_id: str, counts: CacheCounts
    ) -> None:
        self._link, self._options, self._format, self._model_id = link, options, value_format, model_id
        self._counts = counts
        self._prefix = f"earmark:{VERSION}:{value_format.key_id}"
        self._probe_keys = [f"{self._prefix}:probe:{number}" for number in range(_PROBES)]
        self._max_parts = -(-(HEADER_BYTES + MAX_WARNING_BYTES + options.value_bytes) // PART_BYTES)

    @property
    def breaker_state(self) -> BreakerState:
        """State of the circuit breaker; Redis is not used while it is open."""
        return self._link.breaker_state

    def get(self, clip_id: str) -> ClipEmbedding | None:
        """Returns a clip's embedding, or None if Redis does not have it or does not answer in time."""
        try:
            embedding = self._read_value(clip_id, "get", _read_parts, self._format.read)
        except RedisUnavailable as error:
            self._counts.add("lookups", "redis", "failed" if error.request_sent else "skipped")
            return None
        self._counts.add("lookups", "redis", "miss" if embedding is None else "hit")
        return embedding

    def put(self, clip_id: str, embedding: ClipEmbedding) -> None:
        """Queues an embedding to be written in the background; drops it if it is too large or the queue is full."""
        if embedding.n_bytes > self._options.value_bytes:
            self._counts.add("drops", "too_large")
            return
        self._link.write("put", lambda redis: self._write(redis, clip_id, embedding))

    def contains(self, clip_id: str) -> bool:
        """Whether Redis has all parts of a clip's embedding; their frames are not checked."""
        try:
            return bool(self._read_value(clip_id, "contains", _read_sizes, self._is_whole))
        except RedisUnavailable:
            return False

    def answers(self) -> bool:
        """Whether `check` succeeds; False without a request while the circuit breaker is open."""
        try:
            self.check()
        except RedisUnavailable:
            return False
        return True

    def check(self) -> None:
        """Writes a key that expires at once, and reads several keys, each of which another cluster node would keep.

        Raises:
            RedisUnavailable: If Redis does not answer, or refuses a request.
        """
        self._link.read("ping", lambda redis: _probe(redis, self._probe_keys))

    def close(self) -> None:
        """Writes queued embeddings for up to a second, and disconnects; no call may follow."""
        self._link.close()

    def _read_value(
        self,
        clip_id: str,
        operation: str,
        request: Callable[[Redis, list[str]], list[Any]],
        parse: Callable[[str, list[Any]], T],
    ) -> T | None:
        """Sends a request about a clip's keys and parses the replies; a bad value counts as missing, and is deleted."""
        if _CLIP_ID.fullmatch(clip_id) is None:  # the id may come from a client
            return None
        keys = self._keys(clip_id)
        replies = self._link.read(operation, lambda redis: request(redis, keys))
        try:
            if any(isinstance(reply, ResponseError) for reply in replies):
                raise BadValue("type")
            return parse(self._name(clip_id), replies)
        except BadValue:
            self._counts.add("bad_values")
            self._link.write("delete", lambda redis: redis.unlink(*keys))
            return None

    def _is_whole(self, _name: str, replies: list[Any]) -> bool:
        header, *sizes = replies
        return self._format.is_whole(header, sizes)

    def _write(self, redis: Redis, clip_id: str, embedding: ClipEmbedding) -> None:
        with _pipeline(redis, transaction=True) as transaction:
            for key, part in zip(self._keys(clip_id), self._format.write(self._name(clip_id), embedding), strict=False):
                transaction.set(key, part, ex=self._options.ttl_s)
            transaction.execute()

    def _keys(self, clip_id: str) -> list[str]:
        return [f"{self._prefix}:{{{self._name(clip_id)}}}:{part}" for part in range(self._max_parts)]

    def _name(self, clip_id: str) -> str:
        return f"{self._model_id}:{clip_id}"


def _probe(redis: Redis, keys: list[str]) -> None:
    with _pipeline(redis, transaction=False) as pipeline:
        pipeline.set(keys[0], b"", px=_PROBE_TTL_MS)
        for key in keys[1:]:
            pipeline.getrange(key, 0, 0)
        _replies(pipeline, [bool, *[bytes] * (len(keys) - 1)])


def _read_parts(redis: Redis, keys: list[str]) -> list[Any]:
    """Reads the value of each key; empty bytes for a missing key.

    At most one byte more than a part may have is read, which is enough to recognize a value that is too large.
    """
    with _pipeline(redis, transaction=False) as pipeline:
        for key in keys:
            pipeline.getrange(key, 0, PART_BYTES)
        return _replies(pipeline, [bytes] * len(keys))


def _read_sizes(redis: Redis, keys: list[str]) -> list[Any]:
    """Reads the header in the first key's value, and the size of each key's value in bytes; 0 for a missing key."""
    with _pipeline(redis, transaction=False) as pipeline:
        pipeline.getrange(keys[0], 0, HEADER_BYTES - 1)
        for key in keys:
            pipeline.strlen(key)
        return _replies(pipeline, [bytes, *[int] * len(keys)])


def _pipeline(redis: Redis, transaction: bool) -> Pipeline:
    return redis.pipeline(transaction)  # pyright: ignore[reportUnknownMemberType] - untyped in redis


def _replies(pipeline: Pipeline, types: list[type]) -> list[Any]:
    """Executes the commands and checks the type of each reply.

    Returns:
        A reply for each command: a value of its type in `types`, or a WRONGTYPE error if the key holds another type.

    Raises:
        RedisError: If there is no reply, or a reply is another error or has another type. A server that is not Redis
            gives such replies.
    """
    replies = pipeline.execute(raise_on_error=False)
    for reply, expected_type in zip(replies, types, strict=True):
        if isinstance(reply, Exception):
            if not str(reply).startswith("WRONGTYPE"):
                raise reply
        elif not isinstance(reply, expected_type):
            raise InvalidResponse(f"{expected_type.__name__} was expected, not {type(reply).__name__}")
    return replies
