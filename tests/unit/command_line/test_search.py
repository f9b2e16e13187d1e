import csv
import io
import json
from pathlib import Path

import pytest

from service.__main__ import main
from tests.clips import tones, wav

EVENTS = {"a.wav": [("low", 0.4, 1.2), ("middle", 2, 3)], "b.wav": [("high", 1, 2)], "c.wav": [("low", 3, 3.6)]}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    for name, events in EVENTS.items():
        (folder / name).write_bytes(wav(tones(events, 4.3)))
    (folder / "t.csv").write_text("path,site\na.wav,north\nb.wav,north\nc.wav,south\n")
    command = ["index", str(folder / "library"), f"{folder}/*.wav", "--metadata", str(folder / "t.csv")]
    assert main([*command, "--bundle", str(tiny_bundle)]) == 0
    return folder / "library"


@pytest.fixture
def search(library: Path, tiny_bundle: Path, capfd: pytest.CaptureFixture[str]):
    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["search", str(library), "--bundle", str(tiny_bundle), *arguments])
        return status, *capfd.readouterr()

    return run


def _localized(
    library: Path, name: str, query: str, tiny_bundle: Path, capfd: pytest.CaptureFixture[str]
) -> list[dict]:
    assert main(["localize", "--bundle", str(tiny_bundle), str(library.parent / name), query, "--json"]) == 0
    return json.loads(capfd.readouterr().out)["results"][0]["segments"]


@pytest.mark.parametrize("exact", [[], ["--exact"]])
def test_moments_equal_what_localizing_the_recordings_gives(
    exact: list[str], search, library: Path, tiny_bundle: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    status, out, err = search("a low tone", "--json", *exact)
    assert (status, err) == (0, "")
    document = json.loads(out)
    assert document["exact"] is bool(exact)
    assert document["searched_s"] == pytest.approx(3 * 4.3)
    moments = document["moments"]
    assert {Path(moment["recording"]).name for moment in moments} == {"a.wav", "c.wav"}
    for moment in moments:
        (segment,) = _localized(library, Path(moment["recording"]).name, "a low tone", tiny_bundle, capfd)
        assert (moment["onset_s"], moment["offset_s"], moment["score"]) == (
            segment["onset_s"],
            segment["offset_s"],
            segment["score"],
        )


def test_the_table_and_the_csv_name_the_recording_and_how_much_was_searched(search, library: Path) -> None:
    _, out, _ = search("high")
    lines = out.splitlines()
    assert lines[0].split()[1:] == ["1.00", "to", "2.00", "s", f"{library.parent}/b.wav"]
    assert lines[1].startswith("0.00 h in 3 recordings searched: through the index")
    _, out, err = search("low", "middle", "--csv", "--where", "site = 'north'", "--exact")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["query"], Path(row["recording"]).name) for row in sorted(rows, key=lambda row: row["query"])] == [
        ("low", "a.wav"),
        ("middle", "a.wav"),
    ]
    assert "2 recordings searched: all frames were read" in err
    assert search("high", "--where", "site = 'south'")[1].startswith("not heard; 0.00 h in 1 recording searched")
    assert len(search("low", "--top", "1")[1].splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["low", "--top", "0"], "--top is 0; accepted: 1 to 1000"),
        (["low", "--where", "zone = 'x'"], "no column zone"),
        (["low", "--threshold", "7"], "threshold is 7.0"),
        (["..."], "has no word"),
    ],
)
def test_what_cannot_be_used_is_reported(arguments: list[str], message: str, search) -> None:
    status, out, err = search(*arguments)
    assert (status, out) == (2, "")
    assert message in err


def test_examples_find_their_sound_in_the_library_and_in_other_files(search, library: Path, tmp_path: Path) -> None:
    name = str(library.parent / "a.wav")
    _, out, _ = search("--like", f"{name}@0.5-1.1", "--json")
    moments = json.loads(out)["moments"]
    assert {Path(moment["recording"]).name for moment in moments} == {"a.wav", "c.wav"}
    assert moments[0]["query"] == f"like {name}@0.5-1.1"
    other = tmp_path / "other.wav"
    other.write_bytes(wav(tones([("high", 0, 1)], 2)))
    _, out, _ = search("--like", f"{other}@0.1-0.9", "--unlike", f"{name}@2.1-2.9", "--json")
    assert [Path(moment["recording"]).name for moment in json.loads(out)["moments"]] == ["b.wav"]
    _, out, _ = search("a middle tone", "--like", f"{name}@2.1-2.9", "--json")
    (moment,) = json.loads(out)["moments"]
    assert (moment["onset_s"], moment["offset_s"]) == pytest.approx((2, 3), abs=0.1)
    assert moment["query"] == f"a middle tone like {name}@2.1-2.9"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--like", "a.wav"], "--like is 'a.wav'; accepted: RECORDING@ONSET-OFFSET"),
        (["--like", "/nowhere.wav@1-2"], "/nowhere.wav: No such file"),
        (["--unlike", "/nowhere.wav@1-2"], "the request has no query"),
        (["low", "high", "--like", "x.wav@1-2"], "at most 1 query"),
        ([], "the request has no query"),
    ],
)
def test_examples_that_cannot_be_used_are_reported(arguments: list[str], message: str, search) -> None:
    status, _, err = search(*arguments)
    assert status == 2
    assert message in err


def test_a_query_that_is_not_utf8_is_refused(search) -> None:
    with pytest.raises(SystemExit) as end:
        search(b"\xff".decode(errors="surrogateescape"))
    assert end.value.code == 2
