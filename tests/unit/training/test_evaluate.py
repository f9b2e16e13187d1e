import json
from pathlib import Path

import pytest

from tests.tiny_pack import build_tiny_pack
from training.evaluate import main
from training.evaluation.benchmark import load_benchmark, validation_queries


def options(bundle: Path, pack: Path, split: str = "val") -> list[str]:
    return ["--bundle", str(bundle), "--data", str(pack), "--dataset", "pack", "--split", split]


def test_a_data_set_of_captions_is_measured_by_retrieval(
    tiny_bundle: Path, tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "reports" / "a.json"  # whose folder is not there yet
    main([*options(tiny_bundle, tiny_pack), "--json", str(file)])
    report = json.loads(file.read_text())
    assert report["subject"]["kind"] == "bundle"
    assert report["retrieval"]["set"]["recordings"] == 12
    assert report["unreadable"] == {"val": 0}
    assert "localization" not in report
    assert "text_to_audio_map10" in capsys.readouterr().out


def test_what_was_measured_is_told_even_if_it_cannot_be_written(
    tiny_bundle: Path, tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="Is a directory"):
        main([*options(tiny_bundle, tiny_pack), "--json", str(tmp_path)])
    assert "text_to_audio_map10" in capsys.readouterr().out


def test_a_recording_that_cannot_be_read_is_left_out_and_counted(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = build_tiny_pack(tmp_path / "pack")
    (pack / "clips" / "tone4.flac").write_bytes(b"no sound")
    cut = pack / "clips" / "hiss5.flac"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    main([*options(tiny_bundle, pack), "--json", str(tmp_path / "report.json")])
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["unreadable"] == {"val": 2}
    assert report["retrieval"]["set"]["recordings"] == 10
    assert "recordings left out, as they cannot be read: val 2" in capsys.readouterr().out


def test_a_split_of_which_nothing_can_be_read_is_told(tiny_bundle: Path, tmp_path: Path) -> None:
    pack = build_tiny_pack(tmp_path)
    for file in (pack / "clips").iterdir():
        file.write_bytes(b"no sound")
    with pytest.raises(SystemExit, match=r"none of the 12 recordings of split 'val' can be read: .*clicks4.flac"):
        main(options(tiny_bundle, pack))


def test_a_split_without_recordings_is_told(tiny_bundle: Path, tiny_pack: Path) -> None:
    with pytest.raises(SystemExit, match="no recording in split 'test'; it has train, val"):
        main(options(tiny_bundle, tiny_pack, "test"))


@pytest.mark.parametrize(
    ("subject", "told"),
    [
        (["--bundle", "nowhere"], "nowhere"),
        (["--checkpoint", "nowhere.pt"], "No such file or directory: 'nowhere.pt'"),
        (["--checkpoint", "pyproject.toml"], "pyproject.toml is no checkpoint of training.train"),
        (["--url", "http://127.0.0.1:9"], "Connection refused"),
        (["--url", "127.0.0.1:8000"], "cannot be measured: "),
    ],
)
def test_a_subject_that_is_not_there_is_told_in_a_sentence(subject: list[str], told: str, tiny_pack: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*subject, "--data", str(tiny_pack)])
    assert told in str(ended.value)


def test_a_folder_that_is_none_is_told_in_a_sentence(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"soundscapes in .* cannot be measured: .*clips.csv"):
        main(["--bundle", str(tiny_bundle), "--data", str(tmp_path)])


def test_labels_without_captions_are_named(tmp_path: Path) -> None:
    captions = tmp_path / "validation.jsonl"
    captions.write_text(
        '{"label": "dog", "captions": ["a", "b", "c", "d"]}\n{"label": "cat", "captions": ["a", "b"]}\n'
    )
    assert validation_queries(["dog"], captions) == [["a", "b", "c"]]
    with pytest.raises(ValueError, match="fewer than 3 captions of 'cat', 'a moth'; each label with 3 recordings"):
        validation_queries(["dog", "cat", "a moth"], captions)


def test_a_pack_without_recordings_enough_makes_no_soundscapes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no label has 3 recordings in split 'val'"):
        load_benchmark(build_tiny_pack(tmp_path, val=2))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--bundle", "b", "--median-filter-s", "0.5"], "--median-filter-s applies to --checkpoint only"),
        (["--url", "http://b", "--extent-ratio", "0.5"], "--extent-ratio applies to --checkpoint only"),
        (["--bundle", "b", "--split", "val"], "--split applies to a data set's --dataset only"),
        (["--bundle", "b", "--most", "5"], "--most applies to a data set's --dataset only"),
        (["--bundle", "b", "--dataset", "pack", "--most", "0"], "a whole number from 1 on is accepted"),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    given: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*given, "--data", "folder"])
    assert told in capsys.readouterr().err
