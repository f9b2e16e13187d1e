"""The two ways in which a request names its clip: by sending the recording, or by the id of a clip sent before."""

from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO


@dataclass(frozen=True, slots=True, eq=False)
class Upload:
    """A clip whose recording comes with the request.

    Attributes:
        file: The recording as a seekable binary file. The engine reads it from its first byte; the caller closes it.
    """

    file: BinaryIO

    @classmethod
    def of_bytes(cls, content: bytes) -> "Upload":
        """An upload of a recording that is in memory."""
        return cls(BytesIO(content))


@dataclass(frozen=True, slots=True)
class KnownClip:
    """A clip that was uploaded earlier, and whose embedding may still be in the cache.

    Attributes:
        clip_id: The id that the earlier answer gave, as the client sent it; it need not be a valid id.
    """

    clip_id: str


Clip = Upload | KnownClip
"""The clip of a request."""
