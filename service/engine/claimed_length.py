"""Refuses clips whose header gives a length above the limit, before anything is decoded."""

from service.core.errors import AudioTooLong

_INEXACT_S = 0.1
"""Encoders pad the ends of a clip, so a header may give a little more than is heard."""
_LONGEST_BELIEVED_S = 30 * 86_400.0
"""Longest length that is believed: 30 days. Programs that do not know the length write larger placeholders."""


def check_claimed_length(claimed_s: float | None, max_clip_s: float) -> None:
    """Refuses a clip whose header gives a length above the limit. The caller measures a clip whose header gives less.

    Args:
        claimed_s: Length of the clip according to its header, in seconds; None if the header gives none.
        max_clip_s: Length of the longest accepted clip, in seconds.

    Raises:
        AudioTooLong: If the claimed length can be believed and is not accepted.
    """
    if claimed_s is not None and max_clip_s + _INEXACT_S < claimed_s <= _LONGEST_BELIEVED_S:
        raise AudioTooLong(max_clip_s)
