"""`earmark localize` over folders and patterns, with the model in the process."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.__main__ import main
from tests.clips import encoded, tones

ROOT = Path(__file__).parents[3]
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with recordings in which a low tone begins at 0.4 s and ends later and later, and with a broken one."""
    folder = tmp_path / "recordings"
    (folder / "night").mkdir(parents=True)
    for number in range(4):
        path = folder / ("night" if number % 2 else "") / f"{number}.wav"
        path.write_bytes(encoded(tones([("low", 0.4, 0.6 + 0.04 * number)], 2.0)))
    (folder / "broken.wav").write_bytes(b"RIFF but no audio")
    (folder / "notes.txt").write_text("no recording")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def localize(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str]:
        try:
            status = main(["localize", "--bundle", str(tiny_bundle), *arguments])
        except SystemExit as end:
            status = int(end.code or 0)
        return status, capsys.readouterr().err

    return run


def rows(path: str) -> list[list[str]]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_a_pattern_becomes_a_table_with_a_row_for_each_segment(localize: Run, recordings: Path) -> None:
    status, err = localize("recordings/**/*.wav", "low", "high", "--csv", "out.csv")
    header, *body = rows("out.csv")
    assert header == ["file", "query", "onset_s", "offset_s", "score", "peak_s"]
    assert [row[0] for row in body] == [f"recordings/{name}.wav" for name in ("0", "2", "night/1", "night/3")]
    assert {row[1] for row in body} == {"low"}
    assert float(body[3][3]) == pytest.approx(0.72, abs=0.05)
    assert status == 1
    assert rows("out.errors.csv")[0] == ["file", "error", "message"]
    ((file, error, message),) = rows("out.errors.csv")[1:]
    assert (file, error) == ("recordings/broken.wav", "UnsupportedAudio")
    assert "accepted: " in message
    assert err.endswith("earmark: 4 recordings localized, 1 failed; see out.errors.csv\n")


def test_a_folder_is_searched_and_other_files_are_passed_over(localize: Run, recordings: Path) -> None:
    (recordings / "broken.wav").unlink()
    status, _ = localize(str(recordings), "low", "--csv", "out.csv")
    assert status == 0
    assert len(rows("out.csv")) == 1 + 4
    assert rows("out.csv")[1][0] == str(recordings / "0.wav")  # absolute, as the folder was given
    assert not Path("out.errors.csv").exists()


def test_a_second_run_does_nothing_twice_and_takes_new_recordings(localize: Run, recordings: Path) -> None:
    command = ("recordings/**/*.wav", "low", "--csv", "out.csv")
    localize(*command)
    before = Path("out.csv").read_bytes(), Path("out.errors.csv").read_bytes()
    status, err = localize(*command)
    assert (Path("out.csv").read_bytes(), Path("out.errors.csv").read_bytes()) == before
    assert (status, err) == (1, "earmark: 0 recordings localized, 5 done before; see out.errors.csv\n")
    (recordings / "9.wav").write_bytes(encoded(tones([("low", 0.4, 1.0)], 2.0)))
    assert "1 recording localized, 5 done before" in localize(*command)[1]
    assert [row[0] for row in rows("out.csv")].count("recordings/9.wav") == 1


def test_the_files_of_the_run_are_no_recordings(localize: Run, recordings: Path) -> None:
    for _ in range(2):
        _, err = localize("recordings", "low", "--csv", "recordings/out.csv")
    assert "0 recordings localized, 6 done before" in err


@pytest.mark.parametrize("name", ["out.ndjson", "out.tsv"])
def test_other_tables_have_the_path_of_the_recording(localize: Run, recordings: Path, name: str) -> None:
    localize("recordings/?.wav", "low", "high", "--output", name)
    lines = Path(name).read_text().splitlines()
    if name == "out.tsv":
        assert lines[0] == "filename\tonset\toffset\tevent_label"
        assert [line.split("\t")[0] for line in lines[1:]] == ["recordings/0.wav", "recordings/2.wav"]
    else:
        answers = [json.loads(line) for line in lines]
        assert [(each["file"], each["query"]) for each in answers] == [
            (f"recordings/{number}.wav", query) for number in (0, 2) for query in ("low", "high")
        ]
        assert all("score" not in each for each in answers)


def test_queries_come_from_a_file(localize: Run, recordings: Path) -> None:
    Path("queries.txt").write_text("# tones\nlow\n\n  high  \n", encoding="utf-8-sig")
    localize("recordings/*.wav", "middle", "--queries", "queries.txt", "--output", "out.ndjson")
    queries = [json.loads(line)["query"] for line in Path("out.ndjson").read_text().splitlines()]
    assert queries == ["middle", "low", "high"] * 2


def test_more_queries_than_a_service_accepts_fit_in_a_file(localize: Run, recordings: Path) -> None:
    Path("queries.txt").write_text("low\n" * 100)
    localize("recordings/0.wav", "--queries", "queries.txt", "--csv", "out.csv")
    assert len(rows("out.csv")) == 1 + 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["recordings", "low"], "CLIP is recordings, which names several recordings; accepted: with --csv out.csv"),
        (["nothing/*.wav", "low", "--csv", "out.csv"], "no file matches nothing/*.wav"),
        (
            ["recordings", "low", "--csv", "out.csv", "--plot", "out.png"],
            "--plot is given together with a table of many recordings; accepted: only one of the two",
        ),
        (["recordings", "--csv", "out.csv"], "the request has no query; at least 1 is needed"),
        (["recordings", "low", "--format", "srt", "--output", "out.srt"], "the format is srt, which has no table"),
        (
            ["recordings", "low", "--csv", "notes.csv"],
            "the output is notes.csv, which no run of this command has begun",
        ),
        (["recordings", "low", "--threshold", "2", "--csv", "out.csv"], "threshold is 2.0; accepted: 0 to 1"),
        (["recordings", "?!", "--csv", "out.csv"], "query 1 is '?!', which has no word"),
        (["recordings", "low", "--output", "recordings"], "the output is recordings, a folder"),
        (["recordings", "low", "--queries", "latin1.txt", "--csv", "out.csv"], "--queries is latin1.txt, which is not"),
    ],
)
def test_an_unusable_argument_gives_one_line_and_status_2(
    localize: Run, recordings: Path, arguments: list[str], message: str
) -> None:
    Path("notes.csv").write_text("a table of mine\n")
    Path("latin1.txt").write_bytes(b"caf\xe9\n")
    status, err = localize(*arguments)
    assert status == 2
    assert err.startswith(f"earmark: {message}")
    assert Path("notes.csv").read_text() == "a table of mine\n"
    assert not Path("out.csv").exists() or Path("out.csv").read_text().count("\n") <= 1


def test_a_table_is_not_continued_with_other_queries_or_options(localize: Run, recordings: Path) -> None:
    localize("recordings", "low", "--csv", "out.csv")
    before = Path("out.csv").read_bytes()
    for other in (["high"], ["low", "--threshold", "0.9"]):
        status, err = localize("recordings", *other, "--csv", "out.csv")
        assert status == 2
        assert "which was begun with other queries or options; accepted: a new file" in err
    assert Path("out.csv").read_bytes() == before


def test_a_file_that_vanishes_or_cannot_be_read_is_an_error_of_this_file(localize: Run, recordings: Path) -> None:
    (recordings / "link.wav").symlink_to("nowhere.wav")
    os.mkfifo(recordings / "pipe.wav")
    status, _ = localize("recordings/*.wav", "low", "--csv", "out.csv")
    assert status == 1
    assert [row[:2] for row in rows("out.errors.csv")[1:]] == [
        ["recordings/broken.wav", "UnsupportedAudio"],
        ["recordings/link.wav", "FileNotFoundError"],
        ["recordings/pipe.wav", "NotARegularFile"],
    ]


def test_odd_names_are_cells_and_no_formulas(localize: Run, recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["=1+1.wav", "+1.wav", "-1.wav", "@1.wav", "c\rr.wav", "n\nl.wav", 'q",.wav', "\u2028.wav"]
    odd = recordings / "odd"
    odd.mkdir()
    for name in names:
        (odd / name).write_bytes((recordings / "0.wav").read_bytes())
    monkeypatch.chdir(odd)
    for table in ("--csv=out.csv", "--output=out.ndjson"):
        assert localize("*.wav", "low", table)[0] == 0
    files = [row[0] for row in rows("out.csv")[1:]]
    lines = Path("out.ndjson").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    assert [json.loads(line)["file"] for line in lines] == files
    assert {Path(file).name for file in files} == set(names)
    assert not any(file.startswith(("=", "+", "-", "@")) for file in files)


def test_a_name_that_is_not_utf8_is_an_error_of_this_file(localize: Run, recordings: Path) -> None:
    (Path(os.fsdecode(os.fsencode(recordings) + b"/\xff.wav"))).write_bytes(b"RIFF")
    for _ in range(2):
        localize("recordings/*.wav", "low", "--csv", "out.csv")
    assert [row[1] for row in rows("out.errors.csv")[1:]] == ["UnsupportedAudio", "NameNotUtf8"]


N_FILES = 40
# a run that slows down after some recordings, so that it cannot end before it is killed
SLOW_RUN = """
import sys, time
from service.__main__ import main
from service.command_line.journal import Journal

add, enough = Journal.add, int(sys.argv.pop(1))

def add_slowly(journal, *outcome):
    if len(journal.done) > enough:
        time.sleep(0.5)
    add(journal, *outcome)

Journal.add = add_slowly
main()
"""


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Lets SIGINT end programs that the test starts; the background of a shell ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_is_continued_and_nothing_is_twice(
    tmp_path: Path, tiny_bundle: Path, localize: Run, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    (tmp_path / "many").mkdir()
    for index in range(N_FILES):
        clip = b"broken" if index % 10 == 5 else encoded(tones([("low", 0.4, 0.6 + 0.01 * index)], 3.0))
        (tmp_path / "many" / f"{index:03d}.wav").write_bytes(clip)
    monkeypatch.chdir(tmp_path)
    arguments = ["localize", "many/*.wav", "low", "--bundle", str(tiny_bundle), "--csv", "out.csv"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for enough in (3, 15):  # killed twice
        command = [sys.executable, "-c", SLOW_RUN, str(enough), *arguments]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            while process.poll() is None and not _has_rows(tmp_path / "out.csv", enough):
                time.sleep(0.001)
            process.send_signal(number)
            _, err = process.communicate()
        assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 130), err
        assert number == signal.SIGKILL or "the same command does the rest" in err
    with (tmp_path / "out.csv").open("a") as file:
        file.write(f"many/{N_FILES - 1:03d}.wav,low,0.")  # as if the last row was written in part
    assert localize(*arguments[1:3], "--csv", "out.csv")[0] == 1
    assert localize("many/*.wav", "low", "--csv", "whole.csv")[0] == 1
    assert Path("out.csv").read_bytes() == Path("whole.csv").read_bytes()
    assert Path("out.errors.csv").read_bytes() == Path("whole.errors.csv").read_bytes()
    assert len(rows("out.errors.csv")) == 1 + N_FILES // 10


def _has_rows(path: Path, number: int) -> bool:
    return path.exists() and path.read_bytes().count(b"\n") > number
