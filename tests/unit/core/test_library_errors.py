from service.core.library_errors import FilterInvalid, LibraryDamaged, RecordingNotFound


def test_messages_say_what_came_and_what_to_do() -> None:
    assert LibraryDamaged("lib", "frames 0 to 256 of /a.wav").message == (
        "library lib is damaged: frames 0 to 256 of /a.wav; restore it from a copy, or remove the recording and index it again"
    )
    assert RecordingNotFound("x").message == "the library has no recording 'x'"
    assert FilterInvalid("it has no end", "conditions").message == (
        "the condition cannot be used: it has no end; accepted: conditions"
    )
