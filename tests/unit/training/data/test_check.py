from pathlib import Path

import pytest

from tests.tiny_audio import write_burst, write_undecodable_file
from tests.tiny_pack import build_tiny_pack
from training.data.check import main

HEADER = "segment_id\tstart_time_seconds\tend_time_seconds\tlabel\n"


def build_broken_audioset(folder: Path) -> Path:
    write_burst(folder / "audio" / "Ya.wav", 9.0)
    write_burst(folder / "audio" / "extra.wav")
    cut = write_burst(folder / "audio" / "Ycut.mp3", 36.0, (0.0, 36.0), 32_000)
    cut.write_bytes(cut.read_bytes()[:20_000])
    write_undecodable_file(folder / "audio" / "Yhtml.wav")
    (folder / "mid_to_display_name.tsv").write_text("/m/1\tBark\n")
    rows = ["a_0\t0\t1\t/m/1", "a_0\t9.5\t9.9\t/m/1", "cut_0\t0\t1\t/m/1", "html_0\t0\t1\t/m/1", "a_0\t1"]
    rows += [f"gone{number}_0\t0\t1\t/m/1" for number in range(7)]
    (folder / "audioset_eval_strong.tsv").write_text(HEADER + "\n".join(rows) + "\n")
    (folder / "audioset_train_strong.tsv").write_text(HEADER + "a_0\t2\t3\t/m/1\n")
    return folder


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[list[str], int]:
    """The printed lines and the exit code."""
    try:
        main(arguments)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    return capsys.readouterr().out.splitlines(), code


def test_a_complete_data_set_is_counted_and_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines, code = report(capsys, "pack", str(build_tiny_pack(tmp_path)), "--decode")
    assert code == 0
    assert [line.split() for line in lines] == [
        ["split", "recordings", "hours", "captions", "events"],
        ["train", "16", "0.01", "32", "0"],
        ["val", "12", "0.00", "24", "0"],
        ["test", "0", "0.00", "0", "0"],
    ]


def test_everything_missing_and_broken_is_named_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = build_broken_audioset(tmp_path)
    audio = folder / "audio"
    lines, code = report(capsys, "audioset-strong", str(folder))
    assert code == 1
    assert [line.split() for line in lines[1:4]] == [
        ["train", "1", "0.00", "0", "1"],
        ["val", "0", "0.00", "0", "0"],
        ["test", "3", "0.01", "0", "4"],
    ]
    assert lines[4:] == [
        "missing file: 7",
        *(f"  {audio}/Ygone{number}.*: file not found" for number in range(5)),
        "  and 2 more",
        "unreadable file: 1",
        f"  {audio}/Yhtml.wav: cannot be opened: Format not recognised.",
        "broken row: 1",
        f"  {folder}/audioset_eval_strong.tsv, line 6: 2 fields; 4 are accepted",
        "event after the end: 1",
        f"  {audio}/Ya.wav: 'Bark' starts at 9.5 s, after the end at 9.000 s",
        "recording in two splits: 1",
        f"  {audio}/Ya.wav: is in test, train",
        "unused audio files: 1",
        f"  {audio}/extra.wav",
    ]


def test_decoding_reveals_a_truncated_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines, code = report(capsys, "audioset-strong", str(build_broken_audioset(tmp_path)), "--decode")
    assert code == 1
    assert "unreadable file: 2" in lines
    assert any("Ycut.mp3: ends after" in line for line in lines)


def test_a_folder_without_the_published_files_gives_an_error_message(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"clotho cannot be read: .* holds none of clotho_captions_development.csv"):
        main(["clotho", str(tmp_path)])
