import csv
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.http_server import Reply, Request, Server, json_reply
from training.curation.caption_requests import CaptionRequests
from training.curation.clean_captions import CLEAN_INSTRUCTION, SUMMARIZE_INSTRUCTION, main, request_outcomes
from training.curation.convert import FORMATS
from training.curation.journal import Journal
from training.curation.language_model import LanguageModel
from training.curation.retries import RetryPolicy, ServerUnavailableError

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


def caption_requests(
    url: str, folder: Path, batch: int = 10, parallel: int = 1, timeout_s: float = 5.0, name: str = "m"
) -> CaptionRequests:
    policy = RetryPolicy(attempts=3, sleep=lambda _: None)
    model = LanguageModel(url, name, timeout_s=timeout_s, retry_policy=policy)
    return CaptionRequests(model, Journal(folder / "cache.jsonl"), batch, parallel)


TEXTS = [(f"a dog {verb}",) for verb in ("barks", "howls", "growls", "whines", "pants")]


def captions(requests: CaptionRequests) -> list[str]:
    return [outcome.caption for outcome in request_outcomes(requests, CLEAN_INSTRUCTION, TEXTS)]


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def clean(model_url: str, folder: Path, *options: str, table: str = STRONG) -> None:
    (folder / "in.csv").write_text(table)
    main([f"{folder}/in.csv", f"{folder}/out.csv", "--endpoint", model_url, "--model", "m", *options])


def test_captions_are_cleaned_and_refused_ones_stay_with_the_reason(model: ModelServer, tmp_path: Path) -> None:
    clean(model.url, tmp_path)
    assert [list(row.values()) for row in rows(tmp_path / "out.csv")] == [
        ["a.mp3", "5.0", "6.5", "A dog is barking.", "a brown dog is barkng", ""],
        ["a.mp3", "0.25", "3.0", "A man speaks.", 'a man says "hello, you" twice', ""],
        ["b.mp3", "1.0", "2.0", "a bell rings", "a bell rings", "new words: while, birds, sing"],
        ["c.mp3", "0.0", "1.0", "a cat", "a cat", ""],
    ]


def test_one_sentence_per_recording_is_written_from_its_cleaned_regions(model: ModelServer, tmp_path: Path) -> None:
    model.write = lambda texts: CLEANED[texts[0]] if len(texts) == 1 else "A man speaks and then a dog is barking."
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
    model.write = lambda texts: "A storm." if len(texts) > 1 else texts[0]
    (outcome,) = request_outcomes(
        caption_requests(model.url, tmp_path), SUMMARIZE_INSTRUCTION, [("A dog barks.", "a cat meows", "A dog barks.")]
    )
    assert (outcome.caption, outcome.reason) == ("A dog barks, then a cat meows", "new words: storm")


def test_recordings_captions_are_cleaned_as_well(model: ModelServer, tmp_path: Path) -> None:
    clean(model.url, tmp_path, table="filename,caption\na.mp3,a brown dog is barkng\n")
    assert rows(tmp_path / "out.csv") == [
        {"filename": "a.mp3", "caption": "A dog is barking.", "original": "a brown dog is barkng", "reason": ""}
    ]


def test_the_cleaned_table_is_read_as_annotations(model: ModelServer, tmp_path: Path) -> None:
    clean(model.url, tmp_path)
    assert len(FORMATS["tacos"].read(tmp_path / "out.csv", "")) == 4


def test_each_caption_is_requested_once_and_several_in_a_request(model: ModelServer, tmp_path: Path) -> None:
    assert (
        request_outcomes(caption_requests(model.url, tmp_path, batch=2), CLEAN_INSTRUCTION, [*TEXTS, *TEXTS])[7].caption
        == "a dog growls"
    )
    assert [len(items(request)) for request in model.requests] == [2, 2, 1]
    body = json.loads(model.requests[0].body)
    assert (body["model"], body["temperature"]) == ("m", 0)
    schema = body["response_format"]["json_schema"]
    assert schema["strict"] is True
    assert schema["schema"]["additionalProperties"] is False


def test_cached_captions_are_used_only_with_the_same_model_and_instruction(model: ModelServer, tmp_path: Path) -> None:
    first = captions(caption_requests(model.url, tmp_path))
    assert captions(caption_requests(model.url, tmp_path)) == first
    assert len(model.requests) == 1
    captions(caption_requests(model.url, tmp_path, name="another"))
    request_outcomes(caption_requests(model.url, tmp_path), CLEAN_INSTRUCTION + "Be brief.", TEXTS)
    assert len(model.requests) == 3


def test_at_most_the_given_number_of_requests_run_in_parallel(model: ModelServer, tmp_path: Path) -> None:
    running, max_running, lock, barrier = 0, 0, threading.Lock(), threading.Barrier(3)

    def write(texts: list[str]) -> str:
        nonlocal running, max_running
        with lock:
            running += 1
            max_running = max(max_running, running)
        barrier.wait(5)
        with lock:
            running -= 1
        return texts[0]

    model.write = write
    request_outcomes(
        caption_requests(model.url, tmp_path, batch=1, parallel=3), CLEAN_INSTRUCTION, [*TEXTS, ("a cat",)]
    )
    assert max_running == 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("Sure! A dog barks.", "the model's reply is malformed: it is not the required JSON: Invalid JSON"),
        (
            '{"captions": []}',
            "the model's reply is malformed: it holds captions for the ids []; each id from 0 to 0 once is accepted",
        ),
        ('{"captions": [{"id": 0, "caption": "a dog"}, {"id": 0, "caption": "a dog"}]}', "captions for the ids [0, 0]"),
        ('{"captions": [{"id": 0, "caption": "a dog", "note": "!"}]}', "not the required JSON: Extra inputs"),
        ('{"captions": [{"id": 0, "caption": "Un chien aboie"}]}', "not English"),
        ('{"captions": [{"id": 0, "caption": "A cat purrs"}]}', "new words: cat, purrs"),
        ('{"captions": [{"id": 0, "caption": ""}]}', "no words are left"),
    ],
)
def test_a_bad_reply_leaves_the_caption_unchanged(content: str, reason: str, server: Server, tmp_path: Path) -> None:
    server.answer = lambda request: completion(content)
    (outcome,) = request_outcomes(caption_requests(server.url, tmp_path), CLEAN_INSTRUCTION, [("a dog barks",)])
    assert outcome.caption == "a dog barks"
    assert reason in outcome.reason


@pytest.mark.parametrize("reply", [Reply(b"<html>"), json_reply({"choices": []}), json_reply({"error": "no"})])
def test_a_response_that_is_not_a_completion_is_malformed(reply: Reply, server: Server, tmp_path: Path) -> None:
    server.answer = lambda request: reply
    (outcome,) = request_outcomes(caption_requests(server.url, tmp_path), CLEAN_INSTRUCTION, [("a dog barks",)])
    assert "the model's reply is malformed: " in outcome.reason


def test_a_text_that_spoils_the_reply_affects_no_other_text(model: ModelServer, server: Server, tmp_path: Path) -> None:
    def spoiled(request: Request) -> Reply:
        if any(item["captions"] == ["a dog growls"] for item in items(request)):
            return completion("I cannot help with that.")
        return model.answer(request)

    server.answer = spoiled
    model.write = lambda texts: texts[0] + "."
    outcomes = request_outcomes(caption_requests(model.url, tmp_path), CLEAN_INSTRUCTION, TEXTS)
    assert [outcome.reason[:17] for outcome in outcomes] == ["", "", "the model's reply", "", ""]
    server.answer = model.answer
    assert captions(caption_requests(model.url, tmp_path))[2] == "a dog growls."
    assert len(items(model.requests[-1])) == 1


def test_a_busy_or_slow_model_is_asked_again(model: ModelServer, server: Server, tmp_path: Path) -> None:
    failures = iter([json_reply({}, 429, {"Retry-After": "1"}), Reply(status=503)])
    server.answer = lambda request: next(failures, None) or model.answer(request)
    assert captions(caption_requests(model.url, tmp_path)) == [text for (text,) in TEXTS]
    slow, done = iter([True]), threading.Event()

    def answer(request: Request) -> Reply:
        if next(slow, False):
            done.wait(5)
        return model.answer(request)

    server.answer = answer
    assert len(captions(caption_requests(model.url, tmp_path, timeout_s=0.2, name="slow"))) == 5
    done.set()


def test_a_run_that_lost_its_model_is_continued_by_the_next_run(
    model: ModelServer, server: Server, tmp_path: Path
) -> None:
    server.answer = lambda request: model.answer(request) if len(server.requests) < 3 else Reply(status=500)
    with pytest.raises(ServerUnavailableError, match="HTTP 500"):
        captions(caption_requests(model.url, tmp_path, batch=2))
    server.requests.clear()
    server.answer = model.answer
    assert captions(caption_requests(model.url, tmp_path, batch=2)) == [text for (text,) in TEXTS]
    assert [len(items(request)) for request in server.requests] == [1]


def test_without_a_model_the_command_fails_with_a_message_and_writes_nothing(server: Server, tmp_path: Path) -> None:
    server.answer = lambda request: json_reply({"error": {"message": "no such model"}}, 404)
    with pytest.raises(
        SystemExit, match=r"(?s)/v1/chat/completions: HTTP 404: .*no such model.*run the same command again"
    ):
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
def test_an_invalid_table_is_refused(table: str, message: str, server: Server, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=message):
        clean(server.url, tmp_path, table=table)
    assert not server.requests


def test_an_onset_that_is_not_a_number_is_refused(model: ModelServer, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"in\.csv, line 2: could not convert string to float: 'soon'"):
        clean(model.url, tmp_path, "--weak", f"{tmp_path}/weak.csv", table=STRONG.replace("5.0", "soon"))
