import json
from pathlib import Path

import pytest

from training.data.datasets import read_dataset
from training.evaluate import draw, main


def test_a_data_set_of_captions_is_measured_by_retrieval(
    tiny_bundle: Path, tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "report.json"
    options = ["--bundle", str(tiny_bundle), "--data", str(tiny_pack), "--dataset", "pack", "--split", "val"]
    main([*options, "--json", str(file)])
    report = json.loads(file.read_text())
    assert report["subject"]["kind"] == "bundle"
    assert report["retrieval"]["set"]["recordings"] == 12
    assert "localization" not in report
    assert "text_to_audio_map10" in capsys.readouterr().out


def test_a_split_without_recordings_is_told(tiny_bundle: Path, tiny_pack: Path) -> None:
    options = ["--bundle", str(tiny_bundle), "--data", str(tiny_pack), "--dataset", "pack", "--split", "test"]
    with pytest.raises(ValueError, match="no recording in split 'test'; it has train, val"):
        main(options)


def test_the_same_recordings_are_drawn_again(tiny_pack: Path) -> None:
    examples = read_dataset("pack", tiny_pack)
    drawn = draw(examples, "train", 5)
    assert drawn == draw(examples, "train", 5)
    assert len(drawn) == 5
    assert draw(examples, "train", 100) == [example for example in examples if example.split == "train"]
