from pathlib import Path

import numpy as np
import pytest

from training.build_sound_bank import attribution, build_bank, main
from training.data.pack import Recording, read_pack_table
from training.own_sounds.encoders import BundleEncoders
from training.own_sounds.sound_bank import FRAME_STEP


def test_the_bank_holds_scenes_of_train_recordings_with_their_labels(tiny_bundle: Path, tiny_pack: Path) -> None:
    encoders = BundleEncoders.open(tiny_bundle, 1)
    recordings = [r for r in read_pack_table(tiny_pack) if r.split == "train"]
    bank = build_bank(recordings, encoders, 10)
    assert bank.names == ("clicks", "hiss", "sweep", "tone")
    assert bank.frames().shape == (10, -(-25 // FRAME_STEP), 8)
    assert all(row.max() >= 0 for row in bank.labels)
    bank.check_fits(encoders)
    assert np.array_equal(build_bank(recordings, encoders, 10).codes, bank.codes)


def test_authors_are_named_once() -> None:
    rows = [Recording(Path(name), "dog", "train", source="s", author="Ada", licence="CC0") for name in ("a", "b")]
    assert attribution(rows) == ("s; Ada; CC0",)


def test_a_folder_without_a_pack_and_a_pack_without_train_recordings_are_refused(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    arguments = ["--bundle", str(tiny_bundle), "--data", str(tmp_path), "--out", str(tmp_path / "bank.npz")]
    with pytest.raises(SystemExit, match=r"cannot be built from .*clips.csv"):
        main(arguments)
    (tmp_path / "clips.csv").write_text("path,label,split\na.wav,dog,val\n")
    with pytest.raises(SystemExit, match=r"no recording in split 'train'"):
        main(arguments)
    assert not (tmp_path / "bank.npz").exists()
