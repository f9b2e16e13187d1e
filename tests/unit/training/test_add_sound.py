from pathlib import Path

import numpy as np
import pytest
import soundfile

from service.engine.clip import Upload
from service.engine.engine import open_engine
from service.engine.options import EngineOptions
from tests.clips import wav
from training.add_sound import main
from training.build_sound_bank import main as build

RATE_HZ = 16_000


def hum(onset_s: float, offset_s: float, duration_s: float) -> np.ndarray:
    """A tone of 5 kHz, for which the tiny bundle has a channel but no word."""
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    return (0.3 * ((time_s >= onset_s) & (time_s < offset_s)) * np.sin(2 * np.pi * 5_000 * time_s)).astype(np.float32)


@pytest.fixture(scope="module")
def bank(tiny_bundle: Path, tiny_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("bank") / "bank.npz"
    build(
        ["--bundle", str(tiny_bundle), "--data", str(tiny_pack), "--out", str(file), "--scenes", "40", "--threads", "1"]
    )
    return file


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hums")
    for number in range(4):
        soundfile.write(folder / f"{number}.wav", hum(0.1, 0.5 + 0.1 * number, 1.0), RATE_HZ)
    return folder


def arguments(recordings: Path, bundle: Path, bank: Path, out: Path, *more: str) -> list[str]:
    fixed = ["--name", "kazoo", "--bundle", str(bundle), "--bank", str(bank), "--out", str(out), "--threads", "1"]
    return [str(recordings), *fixed, *more]


def test_a_sound_that_the_model_did_not_know_is_found_by_its_name(
    recordings: Path, tiny_bundle: Path, bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(arguments(recordings, tiny_bundle, bank, tmp_path / "new", "--force"))
    told = capsys.readouterr().out
    assert "Learnt 'kazoo' from 4 recordings." in told
    assert "With 10 or more recordings" in told
    engine = open_engine(tmp_path / "new", EngineOptions(intra_op_threads=1))
    clip = Upload.of_bytes(wav(hum(2.0, 3.0, 5.0)))
    (result,) = engine.localize(clip, ["kazoo"]).results
    engine.close()
    assert [(round(s.onset_s, 1), round(s.offset_s, 1)) for s in result.segments] == [(2.0, 3.0)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--name", ""], r"the name is ''; 1 to 200 printable characters"),
        (["--also", "x" * 201], r"1 to 200 printable"),
        (["--bank", "missing.npz"], r"missing.npz does not exist"),
        (["--bundle", "missing"], r"missing"),
        ([], r"says the same as a caption of a sound that the model knows.*--force"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_message(
    recordings: Path, tiny_bundle: Path, bank: Path, tmp_path: Path, change: list[str], message: str
) -> None:
    with pytest.raises(SystemExit, match=rf"the sound cannot be added: .*{message}"):
        main(arguments(recordings, tiny_bundle, bank, tmp_path / "new", *change))
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_not_empty_is_refused_before_anything_is_learnt(
    tiny_bundle: Path, bank: Path, tmp_path: Path
) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "x").touch()
    with pytest.raises(SystemExit, match=r"exists already"):
        main(arguments(tmp_path / "no recordings", tiny_bundle, bank, tmp_path / "new"))


def test_the_bank_of_another_model_is_refused(recordings: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    packaged = Path("training/own_sounds/sound_bank.npz")
    with pytest.raises(SystemExit, match=r"the sound bank was made for an audio graph with sha256"):
        main(arguments(recordings, tiny_bundle, packaged, tmp_path / "new"))
