import pytest

from service.api.uploaded_file import UploadedFile, UploadMemory
from service.core.errors import AudioTooLarge

pytestmark = pytest.mark.anyio


async def test_pieces_become_a_file_at_its_first_byte() -> None:
    upload = UploadedFile(5_000_000, UploadMemory())
    for index in range(3):
        upload.add(bytes([index]) * 1_500_000)
        await upload.write_if_needed()
    file = upload.complete()
    assert file.read() == b"".join(bytes([index]) * 1_500_000 for index in range(3))
    upload.close()
    assert file.closed


def test_a_file_that_is_too_large_is_refused_with_the_piece_that_exceeds() -> None:
    upload = UploadedFile(10, UploadMemory())
    upload.add(b"x" * 10)
    with pytest.raises(AudioTooLarge, match="at most 10 bytes"):
        upload.add(b"x")
    upload.close()


async def test_small_files_are_written_to_disk_once_all_files_in_memory_are_too_large() -> None:
    memory = UploadMemory(max_bytes=25)
    uploads = [UploadedFile(100, memory) for _ in range(4)]
    for number, upload in enumerate(uploads):
        upload.add(bytes([number]) * 10)
        await upload.write_if_needed()
    assert memory.n_bytes == 20  # the third and the fourth were written
    files = [upload.complete() for upload in uploads]
    assert [file.read() for file in files] == [bytes([number]) * 10 for number in range(4)]
    assert [is_on_disk(upload) for upload in uploads] == [False, False, True, True]
    for upload in uploads:
        upload.close()
    assert memory.n_bytes == 0


def is_on_disk(upload: UploadedFile) -> bool:
    return upload._is_on_disk  # pyright: ignore[reportPrivateUsage] - no other way to see it


async def test_a_file_that_is_closed_before_it_is_complete_releases_its_memory() -> None:
    memory = UploadMemory()
    upload = UploadedFile(100, memory)
    upload.add(bytes(10))
    upload.close()
    upload.close()
    assert memory.n_bytes == 0
