import pytest

from service.api.uploaded_file import UploadedFile
from service.core.errors import AudioTooLarge

pytestmark = pytest.mark.anyio


async def test_pieces_become_a_file_at_its_first_byte() -> None:
    upload = UploadedFile(5_000_000)
    for index in range(3):
        upload.add(bytes([index]) * 1_500_000)
        await upload.write_if_large()
    file = upload.complete()
    assert file.read() == b"".join(bytes([index]) * 1_500_000 for index in range(3))
    upload.close()
    assert file.closed


def test_a_file_that_is_too_large_is_refused_with_the_piece_that_exceeds() -> None:
    upload = UploadedFile(10)
    upload.add(b"x" * 10)
    with pytest.raises(AudioTooLarge, match="at most 10 bytes"):
        upload.add(b"x")
    upload.close()
