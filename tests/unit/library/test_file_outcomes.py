import os
from pathlib import Path

import pytest

from service.core.errors import AudioUndecodable, EngineStopped, UnsupportedAudio
from service.library.file_outcomes import outcome_of, refused


def test_the_work_gets_the_open_file_and_its_status(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"abc")
    outcome = outcome_of(str(path), lambda file, status: (file.read(), status.st_size))
    assert (outcome.path, outcome.n_bytes, outcome.item) == (str(path), 3, (b"abc", 3))
    assert outcome.map(lambda item: item[1]).item == 3


def test_faults_of_the_file_are_refusals_and_others_are_raised(tmp_path: Path) -> None:
    def fail(error: Exception):
        def work(*_):
            raise error

        return work

    path = tmp_path / "a.wav"
    path.write_bytes(b"abc")
    outcome = outcome_of(str(path), fail(AudioUndecodable("WAV", "it is broken")))
    assert (outcome.item, outcome.n_bytes, outcome.map(str).reason) == (None, 3, outcome.reason)
    assert outcome.reason.endswith("it is broken")
    with pytest.raises(EngineStopped):
        outcome_of(str(path), fail(EngineStopped()))
    assert outcome_of(str(tmp_path), fail(ValueError())).reason in ("Is a directory", "not a regular file")
    assert outcome_of(str(tmp_path / "none"), fail(ValueError())).reason == "No such file or directory"
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.wav")
    assert outcome_of(name, fail(ValueError())).reason == "its name is not UTF-8"


@pytest.mark.parametrize(("name", "is_no_recording"), [("notes.txt", True), ("a.wav", False)])
def test_only_a_file_that_is_not_named_like_audio_is_no_recording(name: str, is_no_recording: bool) -> None:
    assert refused(name, 1, UnsupportedAudio("text", "WAV")).is_no_recording is is_no_recording
