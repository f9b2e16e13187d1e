import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.unit.training.test_add_sound import hum
from training.build_sound_bank import main as build
from training.data.pack import Recording
from training.evaluation.new_sounds import main, new_labels

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack whose label `cat` is new: 6 recordings of 5 kHz. The label `dog` is a tone of 1 kHz."""
    folder = tmp_path_factory.mktemp("pack")
    rows: list[dict[str, str]] = []
    for label, split, count in (("dog", "train", 4), ("dog", "val", 4), ("cat", "val", 6)):
        for number in range(count):
            time_s = np.arange(8_000 + 800 * number) / RATE_HZ
            dog = 0.3 * np.sin(2 * np.pi * 1_000 * time_s)
            name = f"{label}_{split}{number}.wav"
            sound = hum(0.1, 0.4 + 0.05 * number, 0.8) if label == "cat" else dog
            soundfile.write(folder / name, sound, RATE_HZ)
            rows.append({"path": name, "label": label, "split": split})
    with (folder / "clips.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.mark.parametrize("design", ["query", "head"])
def test_a_label_without_train_recordings_is_learnt_and_measured(
    pack: Path, tiny_bundle: Path, tmp_path: Path, design: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bank, bundle = str(tmp_path / "bank.npz"), str(tiny_bundle)
    build(["--bundle", bundle, "--data", str(pack), "--out", bank, "--scenes", "20", "--threads", "1"])
    capsys.readouterr()
    common = ["--bundle", bundle, "--bank", bank, "--data", str(pack), "--design", design]
    main([*common, "--scenes", "12", "--sparse", "1"])
    (row,) = json.loads(capsys.readouterr().out).items()
    label, figures = row
    assert label == "cat"
    assert figures["recordings"] == 3
    assert figures["before"]["psds1"] < 0.1 < 0.4 < figures[design]["psds1"]
    assert figures["before"].keys() <= figures[design].keys()
    if design == "query":
        assert figures["query"]["others"]["labels"] == 1
        assert 0 <= figures["query"]["left_out"]["found"] <= 1


def test_new_labels_have_enough_val_and_no_train_recordings() -> None:
    rows = [("a", "val", 4), ("b", "val", 3), ("c", "val", 4), ("c", "train", 1)]
    recordings = [Recording(Path(f"{label}{n}"), label, split) for label, split, count in rows for n in range(count)]
    assert new_labels(recordings) == ["a"]


def test_a_pack_without_new_labels_is_refused(tiny_pack: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    bank = str(tmp_path / "bank.npz")
    build(["--bundle", str(tiny_bundle), "--data", str(tiny_pack), "--out", bank, "--scenes", "4", "--threads", "1"])
    with pytest.raises(SystemExit, match=r"no label has 4 recordings in split 'val' and none in split 'train'"):
        main(["--bundle", str(tiny_bundle), "--bank", bank, "--data", str(tiny_pack)])
