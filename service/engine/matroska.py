"""Elements of a Matroska or WebM clip (RFC 8794, RFC 9559): whether the file was cut off within its sound."""

from service.engine.clip_view import ClipView

_SEGMENT, _CLUSTER, _BLOCK_GROUP, _SIMPLE_BLOCK, _CUES = 0x18538067, 0x1F43B675, 0xA0, 0xA3, 0x1C53BB6B
_SOUND = (_CLUSTER, _BLOCK_GROUP, _SIMPLE_BLOCK)
_MAX_ELEMENTS = 1 << 18
_HEADER_BYTES = 12


def is_cut_off(view: ClipView) -> bool:
    """Whether the file ends within a cluster or a block, or before the end of its segment.

    Live recordings leave the sizes of the segment and of clusters open; then their children show where the file ends. A
    file that is cut off within the index behind the sound has all its sound.
    """
    position, segment_end = 0, 0
    for _ in range(_MAX_ELEMENTS):
        view.seek(position)
        element, header_bytes, n_bytes = _element(view.read(_HEADER_BYTES))
        if element == _CUES or header_bytes == 0:
            return element != _CUES and position >= len(view) and segment_end > len(view)
        position += header_bytes
        end = position + (n_bytes or 0)
        if element == _SEGMENT:
            segment_end = end
        elif element != _CLUSTER or n_bytes is not None:
            if end > len(view):
                return element in _SOUND
            position = end
    return False


def _element(header: bytes) -> tuple[int, int, int | None]:
    """Identifier, header length and content length of an element; a header length of 0 if no element begins here.

    The content length is None if the file leaves it open.
    """
    if len(header) < 2 or header[0] == 0:
        return 0, 0, 0
    id_bytes = 9 - header[0].bit_length()
    if id_bytes >= len(header) or header[id_bytes] == 0:
        return 0, 0, 0
    size_bytes = 9 - header[id_bytes].bit_length()
    size = int.from_bytes(header[id_bytes : id_bytes + size_bytes], "big") & (1 << 7 * size_bytes) - 1
    is_open = size == (1 << 7 * size_bytes) - 1
    return int.from_bytes(header[:id_bytes], "big"), id_bytes + size_bytes, None if is_open else size
