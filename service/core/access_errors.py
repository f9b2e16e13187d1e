"""Errors of requests without a valid API key, or beyond the limits of their key.

::

    AccessError
    ├── KeyMissing              the request has no key, or it is not in the form Authorization: Bearer KEY
    ├── KeyUnknown
    └── LimitExceeded           the key has used up one of its limits
        ├── RateExceeded
        └── AudioQuotaExceeded
"""

# ruff: noqa: N818 - each name says what is wrong; the base class says that it is an error

from typing import ClassVar

from service.core.errors import EarmarkError


class AccessError(EarmarkError, setting="EARMARK_KEYS_FILE"):
    """The request may not be answered for its sender."""


class KeyMissing(AccessError):
    """The request has no key that can be read."""

    came: str
    template = "the request has {came}; accepted: exactly one header Authorization: Bearer KEY"


class KeyUnknown(AccessError):
    """The key of the request is not among the keys of the service. The error does not contain the key."""

    template = "the key of the request is not known; accepted: a key that `earmark key new` has made and that is in use"


class LimitExceeded(AccessError):
    """The key has used up a limit. There should be room again after `retry_after_s` whole seconds.

    Attributes:
        policy: Name of the limit in the RateLimit headers.
    """

    limit: int
    retry_after_s: int
    policy: ClassVar[str] = ""


class RateExceeded(LimitExceeded):
    """The key has made as many requests as it may."""

    template = "this key may make {limit} requests a minute and has made them; try again in {retry_after_s} s"
    policy = "requests"


class AudioQuotaExceeded(LimitExceeded):
    """The key has used the seconds of audio that it may use in a day."""

    template = (
        "this key may have {limit} s of audio decoded a day and has used them; the quota is renewed at midnight UTC, in "
        "{retry_after_s} s"
    )
    policy = "audio"
