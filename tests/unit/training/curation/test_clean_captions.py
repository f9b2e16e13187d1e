import csv
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.http_server import Reply, Request, Server, json_reply
from training.curation.caption_requests import Asker
from training.curation.clean_captions import CLEAN, SUMMARIZE, main, outcomes
from training.curation.convert import FORMATS
from training.curation.journal import Journal
from training.curation.language_model import LanguageModel
from training.curation.retries import Patience, ServerUnavailableError

STRONG = """filename,onset,offset,text
a.mp3,5.0,6.5,a brown dog is barkng
a.mp3,0.25,3.0,"a man says ""hello, you"" twice"
b.mp3,1.0,2.0,a bell rings
c.mp3,0.0,1.0,a cat
"""
CLEANED = {
    "a brown dog is barkng": "A dog is barking.",
    'a man says "hello, you" twice': "A man speaks.",
    "a bell rings": "A bell rings while birds sing",
    "a cat": "a cat",
}


def completion(content: str) -> Reply:
    return json_reply({"id": "x", "choices": [{"index": 0, "message": {"role": "assistant", "content": content}}]})


class ModelServer:
    """Speaks the chat completions API; `write` turns the captions of an item into one."""

    def __init__(self, server: Server) -> None:
        self.url, self.requests = server.url + "/v1", server.requests
        self.write: Callable[[list[str]], str] = lambda captions: CLEANED.get(captions[0], captions[0])
        server.answer = self.answer

    def answer(self, request: Request) -> Reply:
        written = [{"id": i["id"], "caption": self.write(i["captions"])} for i in items(request)]
        return completion(json.dumps({"captions": written[::-1]}))


def items(request: Request) -> list[dict[str, Any]]:
    return json.loads(json.loads(request.body)["messages"][1]["content"])


@pytest.fixture
def model(server: Server) -> ModelServer:
    return ModelServer(server)


def asker(url: str, folder: Path, batch: int = 10, parallel: int = 1, timeout_s: float = 5.0, name: str = "m") -> Asker:
    patience = Patience(attempts=3, sleep=lambda _: None)
    model = LanguageModel(url, name, timeout_s=timeout_s, patience=patience)
    return Asker(model, Journal(folder / "cache.jsonl"), batch, parallel)


TEXTS = [(f"a dog {verb}",) for verb in ("barks", "howls", "growls", "whines", "pants")]


def captions(asker: Asker) -> list[str]:
    return [outcome.caption for outcome in outcomes(asker, CLEAN, TEXTS)]


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def clean(model_url: str, folder: Path, *options: str, table: str = STRONG) -> None:
    (folder / "in.csv").write_text(table)
    main([f"{folder}/in.csv", f"{folder}/out.csv", "--endpoint", model_url, "--model", "m", *options])


def test_captions_are_cleaned_and_what_is_refused_stays_with_the_reason(model: ModelServer, tmp_path: Path) -> None:
    clean(model.url, tmp_path)
    assert [list(row.values()) for row in rows(tmp_path / "out.csv")] == [
        ["a.mp3", "5.0", "6.5", "A dog is barking.", "a brown dog is barkng", ""],
        ["a.mp3", "0.25", "3.0", "A man speaks.", 'a man says "hello, you" twice', ""],
        ["b.mp3", "1.0", "2.0", "a bell rings", "a bell rings", "new words: while, birds, sing"],
        ["c.mp3", "0.0", "1.0", "a cat", "a cat", ""],
    ]


def test_one_sentence_a_recording_is_written_from_its_cleaned_regions(model: ModelServer, tmp_path: Path) -> None:
    model.write = lambda own: CLEANED[own[0]] if len(own) == 1 else "A man speaks and then a dog is barking."
    clean(model.url, tmp_path, "--weak", f"{tmp_path}/weak.csv", "--report", f"{tmp_path}/review.html")
    assert items(model.requests[-1]) == [{"id": 0, "captions": ["A man speaks.", "A dog is barking."]}]
    assert [list(row.values()) for row in rows(tmp_path / "weak.csv")] == [
        ["a.mp3", "A man speaks and then a dog is barking.", ""],
        ["b.mp3", "a bell rings", ""],
        ["c.mp3", "a cat", ""],
    ]
    page = (tmp_path / "review.html").read_text()
    assert '<th scope="row">a.mp3 5.0</th><td>changed</td><td><del>a brown</del><ins>A</ins> dog' in page
    assert page.count("<tr class=") == 4 + 3


def test_a_sentence_that_is_refused_is_replaced_by_the_captions_in_their_order(
    model: ModelServer, tmp_path: Path
) -> None:
    model.write = lambda own: "A storm." if len(own) > 1 else own[0]
    (outcome,) = outcomes(asker(model.url, tmp_path), SUMMARIZE, [("A dog barks.", "a cat meows", "A dog barks.")])
    assert (outcome.caption, outcome.reason) == ("A dog barks, then a cat meows", "new words: storm")


def test_recordings_captions_are_cleaned_as_well(model: ModelServer, tmp_path: Path) -> None:
    clean(model.url, tmp_path, table="filename,caption\na.mp3,a brown dog is barkng\n")
    assert rows(tmp_path / "out.csv") == [
        {"filename": "a.mp3", "caption": "A dog is barking.", "original": "a brown dog is barkng", "reason": ""}
    ]


def test_the_cleaned_table_is_read_as_annotations(model: ModelServer, tmp_path: Path) -> None:
    clean(model.url, tmp_path)
    assert len(FORMATS["tacos"].read(tmp_path / "out.csv", "")) == 4


def test_each_caption_is_asked_for_once_several_in_a_request(model: ModelServer, tmp_path: Path) -> None:
    assert outcomes(asker(model.url, tmp_path, batch=2), CLEAN, [*TEXTS, *TEXTS])[7].caption == "a dog growls"
    assert [len(items(request)) for request in model.requests] == [2, 2, 1]
    body = json.loads(model.requests[0].body)
    assert (body["model"], body["temperature"]) == ("m", 0)
    schema = body["response_format"]["json_schema"]
    assert schema["strict"] is True
    assert schema["schema"]["additionalProperties"] is False


def test_answers_are_kept_for_the_model_and_the_prompt_that_they_came_from(model: ModelServer, tmp_path: Path) -> None:
    first = captions(asker(model.url, tmp_path))
    assert captions(asker(model.url, tmp_path)) == first
    assert len(model.requests) == 1
    captions(asker(model.url, tmp_path, name="another"))
    outcomes(asker(model.url, tmp_path), CLEAN + "Be brief.", TEXTS)
    assert len(model.requests) == 3


def test_so_many_requests_are_made_at_a_time_and_no_more(model: ModelServer, tmp_path: Path) -> None:
    running, most, lock, all_in = 0, 0, threading.Lock(), threading.Barrier(3)

    def write(own: list[str]) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        all_in.wait(5)
        with lock:
            running -= 1
        return own[0]

    model.write = write
    outcomes(asker(model.url, tmp_path, batch=1, parallel=3), CLEAN, [*TEXTS, ("a cat",)])
    assert most == 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("Sure! A dog barks.", "the model's answer: not the JSON asked for: Invalid JSON"),
        ('{"captions": []}', "the model's answer: captions for []; 0 to 0 were asked for"),
        ('{"captions": [{"id": 0, "caption": "a dog"}, {"id": 0, "caption": "a dog"}]}', "captions for [0, 0]"),
        ('{"captions": [{"id": 0, "caption": "a dog", "note": "!"}]}', "not the JSON asked for: Extra inputs"),
        ('{"captions": [{"id": 0, "caption": "Un chien aboie"}]}', "not English"),
        ('{"captions": [{"id": 0, "caption": "A cat purrs"}]}', "new words: cat, purrs"),
        ('{"captions": [{"id": 0, "caption": ""}]}', "nothing is left"),
    ],
)
def test_a_bad_answer_leaves_the_caption_as_it_was(content: str, reason: str, server: Server, tmp_path: Path) -> None:
    server.answer = lambda request: completion(content)
    (outcome,) = outcomes(asker(server.url, tmp_path), CLEAN, [("a dog barks",)])
    assert outcome.caption == "a dog barks"
    assert reason in outcome.reason


@pytest.mark.parametrize("reply", [Reply(b"<html>"), json_reply({"choices": []}), json_reply({"error": "no"})])
def test_an_answer_that_is_no_completion_is_a_bad_one(reply: Reply, server: Server, tmp_path: Path) -> None:
    server.answer = lambda request: reply
    (outcome,) = outcomes(asker(server.url, tmp_path), CLEAN, [("a dog barks",)])
    assert "the model's answer: " in outcome.reason


def test_one_text_that_spoils_the_answer_costs_no_other(model: ModelServer, server: Server, tmp_path: Path) -> None:
    def spoiled(request: Request) -> Reply:
        if any(item["captions"] == ["a dog growls"] for item in items(request)):
            return completion("I cannot help with that.")
        return model.answer(request)

    server.answer = spoiled
    model.write = lambda own: own[0] + "."
    found = outcomes(asker(model.url, tmp_path), CLEAN, TEXTS)
    assert [outcome.reason[:18] for outcome in found] == ["", "", "the model's answer", "", ""]
    server.answer = model.answer
    assert captions(asker(model.url, tmp_path))[2] == "a dog growls."
    assert len(items(model.requests[-1])) == 1


def test_a_busy_or_slow_model_is_asked_again(model: ModelServer, server: Server, tmp_path: Path) -> None:
    troubles = iter([json_reply({}, 429, {"Retry-After": "1"}), Reply(status=503)])
    server.answer = lambda request: next(troubles, None) or model.answer(request)
    assert captions(asker(model.url, tmp_path)) == [text for (text,) in TEXTS]
    slow, done = iter([True]), threading.Event()

    def answer(request: Request) -> Reply:
        if next(slow, False):
            done.wait(5)
        return model.answer(request)

    server.answer = answer
    assert len(captions(asker(model.url, tmp_path, timeout_s=0.2, name="slow"))) == 5
    done.set()


def test_when_the_model_goes_away_the_run_ends_and_the_next_goes_on(
    model: ModelServer, server: Server, tmp_path: Path
) -> None:
    server.answer = lambda request: model.answer(request) if len(server.requests) < 3 else Reply(status=500)
    with pytest.raises(ServerUnavailableError, match="HTTP 500"):
        captions(asker(model.url, tmp_path, batch=2))
    server.requests.clear()
    server.answer = model.answer
    assert captions(asker(model.url, tmp_path, batch=2)) == [text for (text,) in TEXTS]
    assert [len(items(request)) for request in server.requests] == [1]


def test_without_a_model_the_command_says_so_and_writes_nothing(server: Server, tmp_path: Path) -> None:
    server.answer = lambda request: json_reply({"error": {"message": "no such model"}}, 404)
    with pytest.raises(SystemExit, match=r"(?s)/v1/chat/completions: HTTP 404: .*no such model.*goes on from here"):
        clean(server.url + "/v1", tmp_path)
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "filename,onset\na,1\n",
            r"in\.csv has the columns \['filename', 'onset'\]; one of \['text', 'caption'\] is needed",
        ),
        ("text\na\n", r"lacks the columns \['filename'\]; it has \['text'\]"),
        ("filename,text\na\n", r"in\.csv, line 2: 1 fields; 2 are accepted"),
    ],
)
def test_a_table_that_is_none_is_refused(table: str, message: str, server: Server, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=message):
        clean(server.url, tmp_path, table=table)
    assert not server.requests


def test_a_recording_whose_events_have_no_order_is_refused(model: ModelServer, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"in\.csv, line 2: could not convert string to float: 'soon'"):
        clean(model.url, tmp_path, "--weak", f"{tmp_path}/weak.csv", table=STRONG.replace("5.0", "soon"))
