from io import BytesIO

from service.engine.clip import KnownClip, Upload


def test_an_upload_of_bytes_is_a_file_of_these_bytes() -> None:
    file = Upload.of_bytes(b"RIFF").file
    assert file.read() == b"RIFF"
    assert file.seekable()


def test_uploads_are_compared_by_identity_and_known_clips_by_id() -> None:
    file = BytesIO(b"RIFF")
    assert Upload(file) != Upload(file)
    assert KnownClip("a") == KnownClip("a") != KnownClip("b")
