"""Removes the preamble of a multipart body: the bytes in front of the first boundary (RFC 2046, 5.1.1)."""

from service.core.request_errors import FormMalformed

_MAX_PREAMBLE_BYTES = 64 << 10


class PreambleSkipper:
    """Drops the preamble of a multipart body, which arrives in pieces.

    Args:
        boundary: The boundary of the body, without its leading dashes.
    """

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"--" + boundary
        self._unmatched = b"\n"  # the body may begin with the delimiter, as a line does
        self._has_started = False
        self._n_bytes = 0

    def skip(self, piece: bytes) -> bytes:
        """Returns the bytes of a piece that belong to the parts: all bytes from the first delimiter on.

        Raises:
            FormMalformed: If the preamble is too long.
        """
        if self._has_started:
            return piece
        text = self._unmatched + piece
        place = text.find(b"\n" + self._delimiter)
        if place >= 0:
            self._has_started = True
            return text[place + 1 :]
        self._n_bytes += len(piece)
        if self._n_bytes > _MAX_PREAMBLE_BYTES:
            raise FormMalformed(f"no boundary in its first {_MAX_PREAMBLE_BYTES} bytes")
        self._unmatched = text[-len(self._delimiter) - 1 :]
        return b""
