"""The service on Ray Serve: replicas of the whole service, each with one tower. Only this module of the service imports Serve.

    EARMARK_OPEN=1 serve run service.ray_app:application min_replicas=2 max_replicas=8

A request whose header X-Session-ID is the id of its clip goes to the replica that owns the clip by consistent hashing, so it
finds the clip in memory. `earmark.Client` sends the header. A request without it may reach any replica: an upload leaves its
embedding at the owner, too, and a replica that does not know a clip asks the owner. So a `clip_id` is valid at all replicas.

`ConsistentHashRouter` of Ray is the simplest router that does this: it reads the header in the proxy. The ids of
`multiplexed_model_id` are announced by replicas with a delay, and `PrefixAwareRouter` compares texts of prompts; neither can
say where a clip will be before it is there.
"""

import importlib.metadata
import math
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from ray import serve as ray_serve
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy, RequestRouterConfig

from service.access.opening import open_access
from service.app import Parts, create_app
from service.core.manifest import read_manifest
from service.core.start_errors import SettingInvalid
from service.engine.caching.opening import open_cache
from service.engine.caching.peer_tier import PeerTier
from service.engine.caching.reporting import CacheCounts
from service.engine.caching.tiers import EmbeddingCache, clip_memory
from service.engine.clip_embedding import ClipEmbedding
from service.engine.decoders import Decoders
from service.engine.engine import open_engine
from service.engine.plain_wav import plain_wav_or
from service.library.serving import open_served_library
from service.log_lines import configure_logging
from service.settings import Settings, engine_options, read_settings, redis_options
from service.shutdown import Shutdown

serve: Any = ray_serve
"""Ray Serve, most of whose functions have no complete types."""
router_config: Any = RequestRouterConfig
DEPLOYMENT = "Earmark"
ROUTER = "ray.serve.experimental.consistent_hash_router:ConsistentHashRouter"
BACKLOG = "backlog_s"
_NO_METRICS: Mapping[str, Mapping[Any, float]] = {}
_PEER_TIMEOUT_S = 5.0
_SPARE_CALLS = 1024
"""Calls between replicas that a replica takes beside the requests of clients, whose number its admission limits."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How many replicas there are, and what each needs.

    Attributes:
        min_replicas: Smallest number of replicas.
        max_replicas: Largest number of replicas.
        target_backlog_s: Backlog of each replica at which the number of replicas stays, in seconds.
        num_cpus: Cores of a replica; its tower uses as many threads.
        num_gpus: GPUs of a replica.
    """

    min_replicas: int = 1
    max_replicas: int = 4
    target_backlog_s: float = 2.0
    num_cpus: float = 1
    num_gpus: float = 0


class BacklogPolicy:
    """Autoscaling policy: enough replicas that the backlog of each is at most the target.

    Args:
        target_s: The target, in seconds.
    """

    def __init__(self, target_s: float) -> None:
        self._target_s = target_s

    def __call__(self, context: Any) -> tuple[int, dict[str, Any]]:
        """Takes the `AutoscalingContext` of Ray Serve; returns the number of replicas, and no state."""
        backlogs: Mapping[Any, float] = (context.aggregated_metrics or _NO_METRICS).get(BACKLOG, {})
        wanted = wanted_replicas(sum(backlogs.values()), self._target_s, context.target_num_replicas)
        low, high = context.capacity_adjusted_min_replicas, context.capacity_adjusted_max_replicas
        return min(max(wanted, low), high), {}


def wanted_replicas(backlog_s: float, target_s: float, n_replicas: int) -> int:
    """Number of replicas for a backlog. It falls one at a time, because an empty backlog does not say how many are idle.

    Args:
        backlog_s: Sum of the backlogs of all replicas, in seconds.
        target_s: Backlog of a replica at which the number stays, in seconds.
        n_replicas: The present number of replicas.
    """
    wanted = math.ceil(backlog_s / target_s)
    return wanted if wanted >= n_replicas else max(wanted, n_replicas - 1)


@serve.deployment(name=DEPLOYMENT)
@serve.ingress()
class Replica:
    """A replica: everything that `earmark serve` opens except its socket.

    Args:
        settings: The settings of the process that deploys the service.
        version: Version of the service.
    """

    def __init__(self, settings: Settings, version: str) -> None:
        configure_logging(settings.log_level, settings.log_format)
        self._settings, self._version, self._shutdown = settings, version, Shutdown()
        self._memory = clip_memory(settings.cache_bytes)
        self._stack = ExitStack()
        decoders = self._stack.enter_context(closing(Decoders(settings.decoders)))
        options = engine_options(settings)
        self._engine = open_engine(
            settings.bundle, options, self._cache(), plain_wav_or(decoders.decode), lambda _: self._shutdown.fail()
        )
        self._stack.callback(self._engine.close)
        decoders.check()
        redis = redis_options(settings)
        access = open_access(settings.keys_file, redis.url if redis else None)
        library = open_served_library(settings.library, self._engine.manifest, audio=settings.library_audio)
        self._parts = Parts(decoders, access, library=library, model_checked=True)

    def __serve_build_asgi_app__(self) -> Any:
        """The app that Ray Serve runs."""
        return create_app(self._engine, self._settings, self._version, self._shutdown, self._parts)

    async def take(self, clip_id: str) -> ClipEmbedding | None:
        """The embedding of a clip from the memory of this replica, for another replica."""
        return self._memory.get(clip_id)

    async def keep(self, clip_id: str, embedding: ClipEmbedding) -> None:
        """Keeps the embedding of a clip that another replica has computed."""
        self._memory.put(clip_id, embedding)

    def record_autoscaling_stats(self) -> dict[str, float]:
        """The backlog, for `BacklogPolicy`."""
        return {BACKLOG: self._engine.batcher.backlog_s}

    def check_health(self) -> None:
        """Raises an exception if the device has failed; Ray Serve then replaces the replica."""
        if self._shutdown.has_failed:
            raise RuntimeError("the device failed")

    def __del__(self) -> None:
        self._stack.close()

    def _cache(self) -> EmbeddingCache:
        """The memory of this replica before Redis, if one is set, or otherwise before the memories of the owners of clips."""
        redis = redis_options(self._settings)
        if redis is not None:
            return self._stack.enter_context(
                closing(open_cache(read_manifest(self._settings.bundle), self._settings.cache_bytes, redis))
            )
        handle = serve.get_deployment_handle(DEPLOYMENT, serve.get_replica_context().app_name)

        def take(clip_id: str) -> ClipEmbedding | None:
            return handle.options(session_id=clip_id).take.remote(clip_id).result(timeout_s=_PEER_TIMEOUT_S)

        def keep(clip_id: str, embedding: ClipEmbedding) -> None:
            handle.options(session_id=clip_id).keep.remote(clip_id, embedding).result(timeout_s=_PEER_TIMEOUT_S)

        tier = self._stack.enter_context(closing(PeerTier(take, keep)))
        return EmbeddingCache(self._memory, tier, CacheCounts())


def application(args: Mapping[str, Any]) -> Any:
    """The service as an application of Ray Serve, for `serve run`, `serve deploy` and `serve.run`.

    Args:
        args: Fields of `Scale`, and settings by their names in lower case without EARMARK_, which replace those of
            the environment.

    Raises:
        SettingInvalid: If an argument is neither, or has a value that is not accepted.
    """
    values = dict(args)
    scale = _scale({name: values.pop(name) for name in Scale.__slots__ if name in values})
    settings = read_settings()
    unknown = sorted(set(values) - set(Settings.model_fields))
    if unknown:
        raise SettingInvalid(unknown[0], repr(values[unknown[0]]), "names of settings, " + ", ".join(Scale.__slots__))
    threads = settings.intra_op_threads or max(1, int(scale.num_cpus))
    try:
        settings = Settings.model_validate({**settings.model_dump(), "intra_op_threads": threads, **values})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise SettingInvalid(str(first["loc"][0]), repr(first["input"]), first["msg"]) from error
    deployment: Any = Replica
    policy = AutoscalingPolicy(
        policy_function="service.ray_app:BacklogPolicy", policy_kwargs={"target_s": scale.target_backlog_s}
    )
    return deployment.options(
        autoscaling_config=AutoscalingConfig(
            min_replicas=scale.min_replicas, max_replicas=scale.max_replicas, policy=policy
        ),
        request_router_config=router_config(request_router_class=ROUTER),
        max_ongoing_requests=settings.max_requests + _SPARE_CALLS,
        graceful_shutdown_timeout_s=settings.grace_s,
        ray_actor_options={"num_cpus": scale.num_cpus, "num_gpus": scale.num_gpus},
    ).bind(settings, _version())


def _version() -> str:
    try:
        return importlib.metadata.version("earmark")
    except importlib.metadata.PackageNotFoundError:  # the source tree is used without being installed
        return "0+source"


def _scale(values: Mapping[str, Any]) -> Scale:
    """Reads numbers, which the command line gives as texts."""
    kinds = {name: int if name.endswith("replicas") else float for name in Scale.__slots__}
    numbers: dict[str, Any] = {}
    for name, value in values.items():
        try:
            numbers[name] = kinds[name](value)
        except ValueError as error:
            raise SettingInvalid(name, repr(value), "a number") from error
    return Scale(**numbers)
