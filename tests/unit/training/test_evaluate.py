import json
from pathlib import Path

import pytest

from tests.tiny_pack import build_tiny_pack
from training.evaluate import main


def options(bundle: Path, pack: Path, split: str = "val") -> list[str]:
    return ["--bundle", str(bundle), "--data", str(pack), "--dataset", "pack", "--split", split]


def test_a_data_set_of_captions_is_evaluated_by_retrieval(
    tiny_bundle: Path, tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "reports" / "a.json"  # its folder does not exist yet
    main([*options(tiny_bundle, tiny_pack), "--json", str(file)])
    report = json.loads(file.read_text())
    assert report["subject"]["kind"] == "bundle"
    assert report["retrieval"]["set"]["recordings"] == 12
    assert report["unreadable"] == {"val": 0}
    assert "localization" not in report
    assert "text_to_audio_map10" in capsys.readouterr().out


def test_the_report_is_printed_even_if_it_cannot_be_written(
    tiny_bundle: Path, tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="Is a directory"):
        main([*options(tiny_bundle, tiny_pack), "--json", str(tmp_path)])
    assert "text_to_audio_map10" in capsys.readouterr().out


def test_an_unreadable_recording_is_left_out_and_counted(
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
    assert "recordings left out because they cannot be read: val 2" in capsys.readouterr().out


def test_a_split_without_readable_recordings_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    pack = build_tiny_pack(tmp_path)
    for file in (pack / "clips").iterdir():
        file.write_bytes(b"no sound")
    with pytest.raises(SystemExit, match=r"none of the 12 recordings of split 'val' can be read: .*clicks4.flac"):
        main(options(tiny_bundle, pack))


def test_a_split_without_recordings_is_refused(tiny_bundle: Path, tiny_pack: Path) -> None:
    with pytest.raises(SystemExit, match="no recording in split 'test'; splits with recordings: train, val"):
        main(options(tiny_bundle, tiny_pack, "test"))


@pytest.mark.parametrize(
    ("subject", "message"),
    [
        (["--bundle", "nowhere"], "nowhere"),
        (["--checkpoint", "nowhere.pt"], "No such file or directory: 'nowhere.pt'"),
        (["--checkpoint", "pyproject.toml"], "pyproject.toml is no checkpoint of training.train"),
        (["--url", "http://127.0.0.1:9"], "Connection refused"),
        (["--url", "127.0.0.1:8000"], "cannot be evaluated: "),
    ],
)
def test_a_subject_that_does_not_exist_is_refused_with_a_message(
    subject: list[str], message: str, tiny_pack: Path
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main([*subject, "--data", str(tiny_pack)])
    assert message in str(exit_info.value)


def test_a_folder_without_a_pack_is_refused_with_a_message(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"scenes in .* cannot be evaluated: .*clips.csv"):
        main(["--bundle", str(tiny_bundle), "--data", str(tmp_path)])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--bundle", "b", "--median-filter-s", "0.5"], "--median-filter-s applies to --checkpoint only"),
        (["--url", "http://b", "--extent-ratio", "0.5"], "--extent-ratio applies to --checkpoint only"),
        (["--bundle", "b", "--split", "val"], "--split applies to a data set's --dataset only"),
        (["--bundle", "b", "--most", "5"], "--most applies to a data set's --dataset only"),
        (
            ["--bundle", "b", "--dataset", "realistic", "--split", "val"],
            "--split applies to a data set's --dataset only",
        ),
        (["--bundle", "b", "--categories", "c.csv"], "--categories applies to --protocol only"),
        (["--bundle", "b", "--protocol", "tacos", "--split", "val"], "--split applies to a data set's --dataset only"),
        (
            ["--bundle", "b", "--protocol", "tacos", "--dataset", "esc50"],
            "--protocol tacos evaluates on audioset-strong, not on esc50",
        ),
        (
            ["--checkpoint", "c", "--protocol", "tacos", "--median-filter-s", "0.5"],
            "--median-filter-s applies to --checkpoint without --protocol only",
        ),
        (["--bundle", "b", "--dataset", "pack", "--most", "0"], "an integer of at least 1 is accepted"),
    ],
)
def test_options_without_effect_are_refused(given: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*given, "--data", "folder"])
    assert message in capsys.readouterr().err
