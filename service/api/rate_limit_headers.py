"""The headers RateLimit-Policy and RateLimit, by which clients can pace themselves (draft-ietf-httpapi-ratelimit-headers-11)."""

from service.access.key_limits import DAY_S, MINUTE_S, Balance
from service.core.access_errors import AudioQuotaExceeded, RateExceeded

RATE_LIMIT_HEADERS = {
    "RateLimit-Policy": "Limits of the key, if it has any: `q` units within `w` seconds.",
    "RateLimit": "Rest of each limit of the key: `r` units, and more of them in `t` seconds.",
}
"""Meaning of each header by its name."""
_AUDIO_UNIT = "audio-seconds"
"""Unit of the quota. The draft's registry has no unit for time; without a unit, the quota would count requests."""


def rate_limit_headers(rate: Balance | None, audio: Balance | None) -> dict[str, str]:
    """The headers for what remains of the limits of a key; a limit that the key does not have is left out.

    >>> rate_limit_headers(Balance(60, 59, 1), None)
    {'RateLimit-Policy': '"requests";q=60;w=60', 'RateLimit': '"requests";r=59;t=1'}
    """
    policies: list[str] = []
    balances: list[str] = []
    if rate is not None:
        policies.append(f'"{RateExceeded.policy}";q={rate.limit};w={MINUTE_S}')
        balances.append(f'"{RateExceeded.policy}";r={int(rate.remaining)};t={rate.renewed_in_s}')
    if audio is not None:
        policies.append(f'"{AudioQuotaExceeded.policy}";q={audio.limit};qu="{_AUDIO_UNIT}";w={DAY_S}')
        balances.append(f'"{AudioQuotaExceeded.policy}";r={int(audio.remaining)};t={audio.renewed_in_s}')
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(balances)} if policies else {}
