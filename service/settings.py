"""The operator's settings: environment variables named EARMARK_*."""

import difflib
import os
import re
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.core.manifest import PACKAGED_BUNDLE
from service.core.start_errors import SettingInvalid, SettingUnknown
from service.engine.caching.redis_link import ACCEPTED_URLS, check_url, without_secrets
from service.engine.caching.redis_tier import RedisOptions
from service.engine.options import EngineOptions
from service.secret_files import SUFFIX, read_secret_files
from service.service_links import find_service_links
from service.trusted_proxies import ACCEPTED_NETWORKS, is_network, split_items

PREFIX = "EARMARK_"
_ORIGIN = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://[^/?#@\s]+")
_MIN_KEY_CHARS = 16


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _none_if_empty(value: object) -> object:
    return None if value == "" else value


def _without_trailing_slash(value: object) -> object:
    return value.rstrip("/") if isinstance(value, str) else value


def _check_redis_url(url: SecretStr) -> SecretStr:
    """Checks the URL of Redis.

    The error is `SettingInvalid` instead of `ValueError`: pydantic would add the whole URL, with its password, to the
    message of a `ValueError`.
    """
    plain = url.get_secret_value()
    try:
        if plain:
            check_url(plain)
    except ValueError:
        raise SettingInvalid(variable("redis_url"), repr(without_secrets(plain)), ACCEPTED_URLS) from None
    return url


def _check_redis_key(key: SecretStr) -> SecretStr:
    """Checks the length of the secret key; the error does not contain the key, as in `_check_redis_url`."""
    length = len(key.get_secret_value())
    if 0 < length < _MIN_KEY_CHARS:
        accepted = f"at least {_MIN_KEY_CHARS} characters, or empty"
        raise SettingInvalid(variable("redis_key"), f"a key of {length} characters", accepted)
    return key


def _check_origins(origins: str) -> str:
    for origin in split_origins(origins):
        if not _ORIGIN.fullmatch(origin):
            accepted = "origins such as https://example.com or http://localhost:3000, separated by commas, or *"
            raise SettingInvalid(variable("allowed_origins"), repr(origin), accepted)
    return origins


def _check_proxies(proxies: str) -> str:
    for network in split_items(proxies):
        if not is_network(network):
            raise SettingInvalid(variable("trusted_proxies"), repr(network), ACCEPTED_NETWORKS)
    return proxies


def split_origins(origins: str) -> tuple[str, ...]:
    """The origins in the value of `EARMARK_ALLOWED_ORIGINS`, in lower case."""
    return tuple(origin.strip().lower() for origin in origins.split(",") if origin.strip())


class Settings(BaseSettings):
    """The settings of an operator; a variable with an empty value counts as not set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    host: str = Field("127.0.0.1", min_length=1)
    """Address to listen on. Set 0.0.0.0 to accept connections from other machines over IPv4, for example in a
    container, together with `EARMARK_KEYS_FILE` or `EARMARK_OPEN`."""

    keys_file: Annotated[Path | None, BeforeValidator(_none_if_empty)] = None
    """File of the API keys, which `earmark key new` makes; empty if no request needs a key. SIGHUP reads it again. Set it
    if other machines can reach the service, and if each client must have a limit and figures of its own."""

    open: bool = False
    """Whether everybody who can reach the service may use it. Without keys and without this setting, the service refuses
    to listen on an address that other machines can reach. Set 1 if only trusted machines can reach the service."""

    port: int = Field(8000, ge=0, le=65535)
    """TCP port to listen on; 0 takes any free port. Change it if another process uses the port, or to run several
    processes on one machine."""

    metrics_port: int = Field(0, ge=0, le=65535)
    """TCP port for `GET /metrics` alone, which is then absent from the main port; 0 serves it on the main port. Set it if
    the clients of the service must not read its metrics."""

    metrics_host: str = ""
    """Address to listen on for metrics; empty for that of `EARMARK_HOST`. Set it if metrics must be reached through
    another network than the service. Metrics need no key."""

    trusted_proxies: Annotated[str, AfterValidator(_check_proxies)] = ""
    """IP addresses and networks of reverse proxies, separated by commas, such as `10.0.0.5, 172.16.0.0/12`; the service
    believes X-Forwarded-For, -Proto, -Host and -Prefix on connections from them only. Set it if a proxy stands in front
    of the service, and let the proxy set or remove all four headers."""

    root_path: Annotated[str, BeforeValidator(_without_trailing_slash)] = Field(
        "", max_length=200, pattern=r"^(/[A-Za-z0-9._~-]+)*$"
    )
    """Path prefix under which a proxy publishes the service, such as `/earmark`; empty for none. Set it if the proxy
    does not publish the service at the root of its host. The proxy may remove the prefix or keep it."""

    bundle: Path = PACKAGED_BUNDLE
    """Directory of the model bundle. Change it to serve a model other than the packaged one."""

    device: Annotated[Literal["auto", "cpu", "cuda"], BeforeValidator(_lower)] = "auto"
    """Device that runs the audio encoder: `auto` takes CUDA if it is available and the CPU otherwise; `cuda` refuses to start
    without CUDA. Set `cuda` on a GPU machine, so that a broken installation does not silently run on the CPU."""

    intra_op_threads: int = Field(0, ge=0, le=1024)
    """CPU threads that inference uses; 0 uses one per core, or as many as the CPU limit of the container allows. A window
    that waits alone gets all threads (4 of 6: the largest power of two); otherwise each thread processes a window, or a
    batch of queries. Lower it if several processes share the machine."""

    decoders: int = Field(2, ge=1, le=256)
    """Number of decoder processes that are kept ready, at about 56 MB each. While all of them are busy, more are
    started, up to one per clip that is being processed. Raise it if many long clips arrive at the same time."""

    batch_windows: int = Field(4, ge=1, le=1024)
    """Maximum number of windows in one batch of the audio encoder on a GPU. Raise it for a GPU that is not busy, because
    larger batches are more efficient there; lower it if GPU memory is short. On a CPU it has no effect: batches are no
    faster there, so each thread processes one window at a time."""

    gpu_memory_bytes: int = Field(0, ge=0)
    """Maximum GPU memory of the audio encoder, in bytes; 0 sets no limit. Set it if other processes share the GPU."""

    max_wait_s: int = Field(30, ge=1, le=3600)
    """Longest time that a request may have to wait for the requests ahead of it, in seconds; if the estimate is longer,
    the request gets status 429. Its own work does not count. Lower it if clients prefer a refusal to a long wait; raise
    it if they prefer to wait. A wait beyond `EARMARK_REQUEST_TIMEOUT_S` is never accepted."""

    max_requests: int = Field(1000, ge=1, le=4096)
    """Maximum number of requests that are processed or wait for it; further requests get status 429. It bounds memory
    and connections; `EARMARK_MAX_WAIT_S` bounds the wait. Raise it if a fast GPU can process more requests than this in
    that time; lower it if memory is short."""

    max_bytes_in_flight: int = Field(2 * 2**30, ge=1024)
    """Maximum total size of the uploads of all running requests, in bytes, counted as they arrive; further uploads get
    status 429. Set it below the space that the machine has for temporary files."""

    max_answer_bytes: int = Field(512 * 2**20, ge=1 << 20)
    """Maximum memory for answers that clients have not read yet, in bytes; further requests get status 429. Raise it if
    many clients read long curves at the same time over slow connections."""

    max_connections: int = Field(1536, ge=1, le=65_536)
    """Maximum number of connections that have a request; requests on further connections get status 429. If more
    connections are open, those that have been idle for a while are closed. Keep it above `EARMARK_MAX_REQUESTS`, and
    raise it if many clients upload slowly."""

    keep_alive_s: int = Field(75, ge=1, le=3600)
    """Time after which a connection without a request is closed, in seconds. Keep it above the time for which a load
    balancer in front of the service keeps idle connections."""

    min_bytes_per_s: int = Field(1024, ge=0)
    """Minimum average speed at which clients must send requests and read answers after the first 20 s, in bytes per
    second; a slower upload gets status 408, and the connection of a slower reader is closed. 0 disables this limit.
    Lower it if clients have very slow connections."""

    request_timeout_s: float = Field(300.0, gt=0, le=86_400, allow_inf_nan=False)
    """Maximum time from the first byte of a request to its answer, in seconds; then the request gets status 504, or 408
    if its upload is not complete. The client then has the same time again to read the answer. Raise it if long clips on
    a slow machine, or uploads over slow connections, need more time."""

    grace_s: int = Field(30, ge=0, le=3600)
    """Time that running requests have to finish after SIGTERM or SIGINT, in seconds; requests that still run after it
    get status 503. Keep it below the time after which the container platform kills the process."""

    max_clip_s: float = Field(3600.0, gt=0, le=86_400, allow_inf_nan=False)
    """Maximum duration of a clip, in seconds; longer clips get status 413. Lower it to bound the work of one request,
    or raise it for recordings of several hours."""

    max_upload_bytes: int = Field(512 * 2**20, ge=1024)
    """Maximum size of an audio file, in bytes; an upload is refused with status 413 as soon as it exceeds this size.
    Change it together with `EARMARK_MAX_CLIP_S`."""

    max_queries: int = Field(64, ge=1, le=4096)
    """Maximum number of queries in one request. Raise it if clients search for a large vocabulary."""

    max_query_chars: int = Field(512, ge=1, le=65_536)
    """Maximum length of a query, in characters. It rarely needs a change: the model reads only the beginning of a very
    long query."""

    cache_bytes: int = Field(256 * 2**20, ge=0)
    """Memory for the embeddings of recent clips, in bytes; 0 disables the memory cache, so that only Redis can resolve
    a `clip_id`. Raise it if clients send new queries about many earlier clips."""

    redis_url: Annotated[SecretStr, AfterValidator(_check_redis_url)] = SecretStr("")
    """URL of a Redis in which replicas share clip embeddings, such as `redis://:password@host:6379/0`; empty for none.
    Set it if several processes serve the same model, or if embeddings must survive a restart."""

    redis_key: Annotated[SecretStr, AfterValidator(_check_redis_key)] = SecretStr("")
    """Secret key of at least 16 characters that authenticates the embeddings in Redis; empty for none. Set the same key
    for all replicas if others can write to the Redis: values that were not written with the key are not read."""

    redis_ttl_s: int = Field(7 * 24 * 3600, ge=1, le=10 * 365 * 24 * 3600)
    """Time after which an embedding expires in Redis, in seconds. Change it to match how long clients use a
    `clip_id`."""

    redis_value_bytes: int = Field(8 * 2**20, ge=1, le=64 * 2**20)
    """Maximum size of an embedding in Redis, in bytes; larger embeddings are kept in memory only. Redis must deliver a
    value within 0.1 s, as 1 Gbit/s does for the default, so raise it only on a faster network."""

    cached_queries: int = Field(4096, ge=0)
    """Number of query embeddings that are kept in memory; 0 disables the query cache. Raise it if clients use more
    distinct queries than this."""

    library: str = ""
    """Folder or URI of the library that `POST /search` searches, with the extra `library`; empty for none. It is made if it
    does not exist. Set it to serve what `earmark index` has indexed."""

    library_audio: bool = False
    """Whether clients may fetch the audio of the library, also of recordings that other clients send, which are then kept.
    Set 1 if everybody who may search the library may hear it."""

    allowed_origins: Annotated[str, AfterValidator(_check_origins)] = ""
    """Web sites whose pages may use the service from a browser, separated by commas, such as `https://example.com`; `*`
    allows all. Pages of the service itself need no setting. Set it if a page of another site sends requests, or if a
    proxy on this machine publishes the service under another host name."""

    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = "info"
    """Lowest severity that is logged. Set `debug` to also log requests to `/livez`, `/readyz` and `/metrics`. Queries
    and uploads are never logged."""

    log_format: Annotated[Literal["text", "json"], BeforeValidator(_lower)] = "text"
    """Format of the log lines: `text` for people, in colours on a terminal unless `NO_COLOR` is set, or `json` with one
    object per line. Set `json` if a program collects the log, as the container images do."""

    tracing: bool = False
    """Whether a trace of each request is exported with OpenTelemetry; the standard `OTEL_*` variables name the collector.
    Set 1 if a collector takes traces; the extra `tracing` must be installed."""


def variable(field: str) -> str:
    """Name of the environment variable of a field: EARMARK_PORT for port."""
    return f"{PREFIX}{field.upper()}"


def secret_fields() -> list[str]:
    """Names of the fields that hold a secret: each may also come from the file that EARMARK_<NAME>_FILE names."""
    return [name for name, field in Settings.model_fields.items() if field.annotation is SecretStr]


def read_settings() -> Settings:
    """Reads the settings from the environment and the files of secrets; ignores the service links of Kubernetes.

    Raises:
        SettingUnknown: If an EARMARK_* variable is set that is not a setting.
        SettingInvalid: If the value of a setting is not accepted.
    """
    secret_variables = [variable(field) for field in secret_fields()]
    known = [*map(variable, Settings.model_fields), *(f"{name}{SUFFIX}" for name in secret_variables)]
    links = ignored_service_links()
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known and name not in links:
            raise SettingUnknown(name, difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.0)[0])
    secrets = read_secret_files(os.environ, secret_variables)
    given = {name: field.default for name, field in Settings.model_fields.items() if variable(name) in links}
    given |= {name: secrets[variable(name)] for name in secret_fields() if variable(name) in secrets}
    try:
        return Settings(**given)  # the other fields come from the environment
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        accepted = first["msg"].removeprefix("Input should be ")
        raise SettingInvalid(variable(str(first["loc"][0])), repr(first["input"]), accepted) from error


def ignored_service_links() -> list[str]:
    """Names of the environment variables that are service links of Kubernetes instead of settings."""
    return find_service_links(os.environ, PREFIX)


def engine_options(settings: Settings) -> EngineOptions:
    """Options of the engine; each option is filled from the setting of the same name."""
    return EngineOptions(**{option.name: getattr(settings, option.name) for option in fields(EngineOptions)})


def redis_options(settings: Settings) -> RedisOptions | None:
    """Options of Redis; None if no Redis is set."""
    url = settings.redis_url.get_secret_value()
    key = settings.redis_key.get_secret_value()
    return RedisOptions(url, settings.redis_ttl_s, settings.redis_value_bytes, key) if url else None
