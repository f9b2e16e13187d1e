from service.core.bundle_errors import ChecksumMismatch, ManifestInvalid


def test_messages_say_what_came_and_what_is_accepted() -> None:
    assert ManifestInvalid("hop_s", "0", "a number above 0").message == (
        "manifest.json: hop_s is 0; accepted: a number above 0"
    )
    assert ChecksumMismatch("audio.onnx", "a1", "b2").message == "audio.onnx has sha256 a1; manifest.json says b2"
