import csv
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import soundfile

from tests.http_server import Reply, json_reply
from tests.unit.training.curation.freesound_server import FreesoundServer, ogg
from tests.waiting import PATIENCE_S
from training.curation.freesound import Collection, hash_fraction, main, read_ontology
from training.curation.journal import Journal
from training.curation.retries import ServerUnavailableError
from training.data.datasets import read_dataset

ONTOLOGY = '[Animals]\nDog = ["dog barking", 7]\nPuppy = ["puppy", "ghost", 404]\n'


def collect(
    freesound: FreesoundServer, folder: Path, per_query: int = 100, preview_timeout_s: float = PATIENCE_S
) -> list[dict[str, str]]:
    """Makes one run like the command, and returns the rows of its table."""
    folder.mkdir(exist_ok=True)
    (folder / "ontology.toml").write_text(ONTOLOGY)
    api = freesound.client(folder, preview_timeout_s)
    collection = Collection.open(folder, read_ontology(folder / "ontology.toml"), "duration:[0 TO 30]", per_query)
    try:
        collection.search(api)
        collection.download(api)
    finally:
        collection.write_table()
    return table(folder)


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "clips.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def paths(rows: list[dict[str, str]]) -> list[str]:
    return [row["path"] for row in rows]


def test_matching_sounds_become_a_pack_with_their_licences(freesound: FreesoundServer, tmp_path: Path) -> None:
    rows = collect(freesound, tmp_path)
    assert paths(rows) == [f"audio/{i}.flac" for i in (1, 2, 3, 7, 4)]
    assert [row["label"] for row in rows] == ["Dog"] * 4 + ["Puppy"]
    assert rows[0] | {"split": ""} == {
        "path": "audio/1.flac", "label": "Dog", "split": "", "source": "freesound", "group": "user1",
        "title": "Bark_1.wav", "author": "user1", "licence": "https://creativecommons.org/licenses/by/4.0/",
        "url": "https://freesound.org/s/1/", "class": "Animals", "keywords": "dog, bark",
        "description": 'My dog, "Rex"', "start_time_s": "0.0", "end_time_s": "1.0",
    }  # fmt: skip
    examples = read_dataset("pack", tmp_path)
    assert examples[0].captions == ("Dog", "bark")
    assert all(soundfile.info(example.path).duration == 1.0 for example in examples)


def test_searches_are_paged_limited_and_filtered(freesound: FreesoundServer, tmp_path: Path) -> None:
    collect(freesound, tmp_path, per_query=2)
    (first, *_) = freesound.requests
    assert first.query["filter"] == "duration:[0 TO 30]"
    assert set(first.query["fields"].split(",")) >= {"id", "license", "username", "url", "previews"}
    assert [r.query["page"] for r in freesound.requests if r.query.get("query") == "dog barking"] == ["1"]
    collect(freesound, tmp_path, per_query=3)
    assert [r.query["page"] for r in freesound.requests if r.query.get("query") == "dog barking"] == ["1", "1", "2"]


def test_the_token_is_sent_only_to_the_api(freesound: FreesoundServer, tmp_path: Path) -> None:
    collect(freesound, tmp_path)
    assert not any("Authorization" in r.headers for r in freesound.requests if r.path.startswith("/previews/"))


def test_a_second_run_makes_no_request(freesound: FreesoundServer, tmp_path: Path) -> None:
    rows = collect(freesound, tmp_path)
    n_requests = len(freesound.requests)
    assert collect(freesound, tmp_path) == rows
    assert len(freesound.requests) == n_requests


def test_a_recording_that_was_deleted_is_downloaded_again(freesound: FreesoundServer, tmp_path: Path) -> None:
    rows = collect(freesound, tmp_path)
    (tmp_path / "audio/2.flac").unlink()
    assert collect(freesound, tmp_path) == rows
    assert freesound.fetched("/previews/").count("/previews/2.ogg") == 2


def test_a_search_removed_from_the_ontology_leaves_the_table(freesound: FreesoundServer, tmp_path: Path) -> None:
    collect(freesound, tmp_path)
    (tmp_path / "short.toml").write_text('[Animals]\nPuppy = ["puppy"]\n')
    collection = Collection.open(tmp_path, read_ontology(tmp_path / "short.toml"), "duration:[0 TO 30]", 100)
    collection.write_table()
    assert paths(table(tmp_path)) == ["audio/3.flac", "audio/4.flac"]


def test_a_request_to_a_busy_server_is_repeated(freesound: FreesoundServer, tmp_path: Path) -> None:
    freesound.replies["/apiv2/search/text/"] = [
        json_reply({"detail": "throttled"}, 429, {"Retry-After": "2"}),
        Reply(status=502),
    ]
    freesound.replies["/previews/1.ogg"] = [Reply(ogg(), announced=100_000), Reply(status=503)]
    assert len(collect(freesound, tmp_path)) == 5


def test_a_long_throttling_ends_the_run_and_keeps_the_results(freesound: FreesoundServer, tmp_path: Path) -> None:
    freesound.replies["/apiv2/sounds/7/"] = [json_reply({"detail": "throttled"}, 429, {"Retry-After": "86400"})]
    with pytest.raises(ServerUnavailableError, match="HTTP 429, Retry-After: 86400"):
        collect(freesound, tmp_path)
    assert len(collect(freesound, tmp_path)) == 5
    assert len([r for r in freesound.requests if r.query.get("query") == "dog barking"]) == 2


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(b"<html></html>"), "cannot be opened: Format not recognised."),
        (Reply(), "cannot be opened: Format not recognised."),
        (Reply(ogg(0.1)), "lasts 0.1 s of the 1.0 s that were announced"),
        (Reply(status=404), "no preview: HTTP 404"),
    ],
    ids=["no audio", "nothing", "half", "missing"],
)
def test_an_unusable_recording_is_left_out_for_good(
    reply: Reply, reason: str, freesound: FreesoundServer, tmp_path: Path
) -> None:
    freesound.audio = lambda sound: reply if sound == 2 else Reply(ogg())
    rows = collect(freesound, tmp_path)
    assert "audio/2.flac" not in paths(rows)
    assert len(rows) == 4
    assert next(e["reason"] for e in Journal(tmp_path / "sounds.jsonl").entries if e["id"] == 2) == reason
    assert collect(freesound, tmp_path) == rows
    assert freesound.fetched("/previews/2").count("/previews/2.ogg") == 1


def test_a_preview_that_fails_now_does_not_stop_the_others(freesound: FreesoundServer, tmp_path: Path) -> None:
    freesound.replies["/previews/1.ogg"] = [Reply(ogg(), announced=100_000)] * 3
    with pytest.raises(ServerUnavailableError, match="1 previews could not be downloaded"):
        collect(freesound, tmp_path)
    assert paths(table(tmp_path)) == [f"audio/{i}.flac" for i in (2, 3, 7, 4)]
    assert not list(tmp_path.rglob("*.part"))
    assert len(collect(freesound, tmp_path)) == 5


def test_a_server_that_does_not_respond_ends_the_run(freesound: FreesoundServer, tmp_path: Path) -> None:
    end = threading.Event()

    def hang(sound: int) -> Reply:
        end.wait(PATIENCE_S)
        return Reply()

    freesound.audio = hang
    with pytest.raises(
        ServerUnavailableError, match=r"5 previews could not be downloaded; the last error: .*ReadTimeout"
    ):
        collect(freesound, tmp_path, preview_timeout_s=0.05)
    end.set()
    freesound.audio = lambda sound: Reply(ogg())
    assert len(collect(freesound, tmp_path)) == 5


@pytest.mark.parametrize("answer", [Reply(b"<html>"), json_reply({"results": [{"id": "x"}], "next": None})])
def test_a_response_that_is_not_the_apis_ends_the_run(
    answer: Reply, freesound: FreesoundServer, tmp_path: Path
) -> None:
    freesound.replies["/apiv2/search/text/"] = [answer]
    with pytest.raises(ServerUnavailableError, match="the response is not that of APIv2"):
        collect(freesound, tmp_path)


def command(freesound: FreesoundServer, folder: Path) -> list[str]:
    (folder / "ontology.toml").write_text(ONTOLOGY)
    return [f"{folder}/ontology.toml", f"{folder}/out", "--url", freesound.url]


def test_a_run_that_was_killed_is_resumed(
    freesound: FreesoundServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FREESOUND_TOKEN", "secret")
    reached, released = threading.Event(), threading.Event()

    def hang_at_three(sound: int) -> Reply:
        if sound == 3 and not released.is_set():
            reached.set()
            released.wait(20)
        return Reply(ogg())

    freesound.audio = hang_at_three
    module = [sys.executable, "-m", "training.curation.freesound"]
    run = subprocess.Popen([*module, *command(freesound, tmp_path)], stderr=subprocess.DEVNULL)
    assert reached.wait(20)
    run.kill()
    run.wait(20)
    released.set()
    main(command(freesound, tmp_path))
    assert len(table(tmp_path / "out")) == 5
    assert sorted(freesound.fetched("/previews/")) == [f"/previews/{i}.ogg" for i in (1, 2, 3, 3, 4, 7)]


@pytest.mark.parametrize(
    ("token", "message"), [("wrong", r'HTTP 401: \{"detail": "Invalid token\."\}'), ("", "FREESOUND_TOKEN is not set")]
)
def test_without_a_valid_token_the_command_fails_with_a_message(
    token: str, message: str, freesound: FreesoundServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FREESOUND_TOKEN", token)
    with pytest.raises(SystemExit, match=message):
        main(command(freesound, tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[Animals", "ontology.toml: "),
        ("Animals = 3", "Animals = 3; a table of subclasses is accepted"),
        ('[Animals]\nDog = "bark"', "Animals.Dog = 'bark'; a list of texts and ids is accepted"),
        ('[Animals]\nDog = ["bark", true]', "a list of texts and ids"),
    ],
)
def test_an_invalid_ontology_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "ontology.toml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_ontology(tmp_path / "ontology.toml")


def test_about_a_tenth_of_the_authors_is_in_the_validation_split() -> None:
    fractions = [hash_fraction(f"author {i}") for i in range(1000)]
    assert 0.07 < sum(f < 0.1 for f in fractions) / 1000 < 0.13
    assert hash_fraction("a") == hash_fraction("a")
