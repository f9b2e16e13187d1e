"""Every knob that an operator may turn: the EARMARK_* environment variables."""

import difflib
import os
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.core.errors import SettingInvalid, SettingUnknown
from service.core.manifest import PACKAGED_BUNDLE
from service.engine.caching.redis_link import ACCEPTED_URLS, check_url, without_secrets
from service.engine.caching.redis_tier import RedisOptions
from service.engine.options import EngineOptions

PREFIX = "EARMARK_"


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _redis_url(url: SecretStr) -> SecretStr:
    """Not told by a ValueError, to which pydantic would add the whole URL, and with it the password."""
    plain = url.get_secret_value()
    try:
        if plain:
            check_url(plain)
    except ValueError:
        raise SettingInvalid(variable("redis_url"), repr(without_secrets(plain)), ACCEPTED_URLS) from None
    return url


class Settings(BaseSettings):
    """What an operator decides; a variable that is set to nothing counts as not set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    host: str = Field("127.0.0.1", min_length=1)
    """Address to listen on; 0.0.0.0 for all of the machine's IPv4 addresses."""

    port: int = Field(8000, ge=0, le=65535)
    """TCP port to listen on; 0 takes a free one."""

    bundle: Path = PACKAGED_BUNDLE
    """Directory of the model bundle; the packaged one if not set."""

    device: Annotated[Literal["auto", "cpu", "cuda"], BeforeValidator(_lower)] = "auto"
    """Where the model runs: `cuda` stops the start if there is no CUDA, `auto` takes it if it is there."""

    intra_op_threads: int = Field(0, ge=0, le=1024)
    """Threads of one inference on the CPU; 0 takes one per core."""

    decoders: int = Field(2, ge=1, le=256)
    """Processes kept ready to decode clips, about 40 MB each; more come, at most one a request, while long clips hold all."""

    batch_windows: int = Field(4, ge=1, le=1024)
    """Windows that go through the audio tower at a time, at most; more use a GPU better."""

    gpu_memory_bytes: int = Field(0, ge=0)
    """Memory that each tower may take on a GPU, in bytes; 0 sets no limit."""

    max_requests: int = Field(64, ge=1, le=4096)
    """Most requests that are answered at a time; one more is refused with 429."""

    max_bytes_in_flight: int = Field(2 * 2**30, ge=1024)
    """Most bytes of uploads that are held at a time; what would be more is refused with 429."""

    request_timeout_s: float = Field(300.0, gt=0, le=86_400, allow_inf_nan=False)
    """Longest time from a request's first byte to its answer, in seconds; then it gets 504."""

    grace_s: int = Field(30, ge=0, le=3600)
    """Time that requests have to be finished when the process is told to end, in seconds."""

    max_clip_s: float = Field(3600.0, gt=0, le=86_400, allow_inf_nan=False)
    """Longest clip that is accepted, in seconds."""

    max_upload_bytes: int = Field(512 * 2**20, ge=1024)
    """Largest audio file that is accepted, in bytes; larger ones are refused while they come in."""

    max_queries: int = Field(64, ge=1, le=4096)
    """Most queries in one request."""

    max_query_chars: int = Field(512, ge=1, le=65_536)
    """Longest query, in characters."""

    cache_bytes: int = Field(512 * 2**20, ge=0)
    """Memory for embeddings of clips seen before, in bytes; 0 keeps none, and then only Redis knows a clip_id."""

    redis_url: Annotated[SecretStr, AfterValidator(_redis_url)] = SecretStr("")
    """Redis that replicas share embeddings through, such as `redis://:password@host:6379/0`; none if not set."""

    redis_ttl_s: int = Field(7 * 24 * 3600, ge=1, le=10 * 365 * 24 * 3600)
    """Time that an embedding is kept in Redis, in seconds."""

    redis_value_bytes: int = Field(8 * 2**20, ge=1, le=64 * 2**20)
    """Largest embedding kept in Redis, in bytes; must be read within 0.1 s, as the default is at 1 Gbit/s."""

    cached_queries: int = Field(4096, ge=0)
    """Embeddings of queries that are kept in memory."""

    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = "info"
    """Least severity that is logged; what was asked and sent is not, at any."""

    log_format: Annotated[Literal["text", "json"], BeforeValidator(_lower)] = "text"
    """How a log line is written: for people, or one JSON object a line."""


def variable(field: str) -> str:
    """The environment variable of a field: EARMARK_PORT for port."""
    return f"{PREFIX}{field.upper()}"


def read_settings() -> Settings:
    """Reads the settings from the environment.

    Raises:
        SettingUnknown: If an EARMARK_* variable is none of them.
        SettingInvalid: If a value is not accepted.
    """
    known = [variable(field) for field in Settings.model_fields]
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            raise SettingUnknown(name, difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.0)[0])
    try:
        return Settings()  # pyright: ignore[reportCallIssue] - the fields come from the environment
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        accepted = first["msg"].removeprefix("Input should be ")
        raise SettingInvalid(variable(str(first["loc"][0])), repr(first["input"]), accepted) from error


def engine_options(settings: Settings) -> EngineOptions:
    """What the settings say about the engine; each of its options is a setting of the same name."""
    return EngineOptions(**{option.name: getattr(settings, option.name) for option in fields(EngineOptions)})


def redis_options(settings: Settings) -> RedisOptions | None:
    """What the settings say about Redis; None if there is none."""
    url = settings.redis_url.get_secret_value()
    return RedisOptions(url, settings.redis_ttl_s, settings.redis_value_bytes) if url else None
