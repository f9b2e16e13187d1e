"""Earmark for Python: tells when, in a recording, a sound described in plain words is heard.

    import earmark

    with earmark.Client("http://127.0.0.1:8000") as client:
        localization = client.localize("street.wav", ["a dog barks", "a siren"])
    for segment in localization.segments:
        print(segment.query, segment.onset_s, segment.offset_s)

This package gives `service.client` its import name. The classes say that they are of `earmark` in error messages.
"""

from service import client
from service.client import *  # noqa: F403 - the same names

__all__ = client.__all__  # pyright: ignore[reportUnsupportedDunderAll]

for _name in __all__:
    getattr(client, _name).__module__ = "earmark"
