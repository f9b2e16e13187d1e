import io

import pytest

from service.engine.links import MAX_LINKS, split_links
from tests.av_clips import av_encoded, chirps
from tests.clips import encoded

SOUND = chirps(1.0, 48_000)
FLAC = av_encoded(SOUND, 48_000, "flac", "flac")
OPUS = av_encoded(SOUND, 48_000, "ogg", "libopus")
VORBIS = encoded(SOUND[:, 0], 48_000, "OGG", "VORBIS")
WEBM = av_encoded(SOUND, 48_000, "webm", "libopus")


def links(content: bytes, container: str, start: int = 0) -> list[tuple[int, int]]:
    return split_links(io.BytesIO(content), container, start, len(content))


@pytest.mark.parametrize(
    ("container", "parts"),
    [
        ("FLAC", [FLAC, FLAC, FLAC]),
        ("Ogg Opus", [OPUS, VORBIS, OPUS]),
        ("WebM", [WEBM, WEBM]),
        ("AMR", [b"#!AMR\n" + bytes(32), b"#!AMR\n" + bytes(32)]),
        ("MP3", [OPUS]),
    ],
)
def test_links_begin_where_files_were_appended(container: str, parts: list[bytes]) -> None:
    content = b"junk" + b"".join(parts)
    ends = [4 + sum(map(len, parts[: number + 1])) for number in range(len(parts))]
    assert links(content, container, 4) == list(zip([4, *ends[:-1]], ends, strict=True))


def test_streams_of_one_ogg_file_that_play_together_are_one_link() -> None:
    first_page = OPUS[: OPUS.index(b"OggS", 4)]
    assert links(first_page + OPUS, "Ogg Opus") == [(0, len(first_page + OPUS))]


def test_a_start_is_found_wherever_it_lies_between_two_reads() -> None:
    for n_bytes in range((1 << 20) - len(FLAC) - 12, (1 << 20) - len(FLAC) + 12):
        content = FLAC + bytes(n_bytes) + FLAC
        assert [start for start, _ in links(content, "FLAC")] == [0, len(FLAC) + n_bytes]


def test_the_number_of_links_is_bounded() -> None:
    content = FLAC[:42] * (MAX_LINKS + 50)
    found = links(content, "FLAC")
    assert len(found) == MAX_LINKS
    assert found[-1][1] == len(content)
