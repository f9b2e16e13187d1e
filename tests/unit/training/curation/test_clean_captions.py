import csv
from pathlib import Path

import pytest

from tests.http_server import Reply, Request, Server, json_reply
from tests.unit.training.curation.model_server import ModelServer, caption_requests, completion, items, language_model
from training.curation.clean_captions import CLEAN_INSTRUCTION, SUMMARIZE_INSTRUCTION, main, request_outcomes
from training.curation.convert import FORMATS

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


@pytest.fixture
def model(model_server: ModelServer) -> ModelServer:
    model_server.write = lambda captions: CLEANED.get(captions[0], captions[0])
    return model_server


TEXTS = [(f"a dog {verb}",) for verb in ("barks", "howls", "growls", "whines", "pants")]


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
        caption_requests(language_model(model.url), tmp_path),
        SUMMARIZE_INSTRUCTION,
        [("A dog barks.", "a cat meows", "A dog barks.")],
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


def test_a_caption_that_occurs_twice_gets_the_same_outcome_twice(model: ModelServer, tmp_path: Path) -> None:
    requests = caption_requests(language_model(model.url), tmp_path, batch=2)
    outcomes = request_outcomes(requests, CLEAN_INSTRUCTION, [*TEXTS, *TEXTS])
    assert outcomes[7].caption == "a dog growls"
    assert [outcome.caption for outcome in outcomes] == [text for (text,) in [*TEXTS, *TEXTS]]


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
    (outcome,) = request_outcomes(
        caption_requests(language_model(server.url), tmp_path), CLEAN_INSTRUCTION, [("a dog barks",)]
    )
    assert outcome.caption == "a dog barks"
    assert reason in outcome.reason


@pytest.mark.parametrize("reply", [Reply(b"<html>"), json_reply({"choices": []}), json_reply({"error": "no"})])
def test_a_response_that_is_not_a_completion_is_malformed(reply: Reply, server: Server, tmp_path: Path) -> None:
    server.answer = lambda request: reply
    (outcome,) = request_outcomes(
        caption_requests(language_model(server.url), tmp_path), CLEAN_INSTRUCTION, [("a dog barks",)]
    )
    assert "the model's reply is malformed: " in outcome.reason


def test_a_text_that_spoils_the_reply_affects_no_other_text(model: ModelServer, server: Server, tmp_path: Path) -> None:
    def spoiled(request: Request) -> Reply:
        if any(item["captions"] == ["a dog growls"] for item in items(request)):
            return completion("I cannot help with that.")
        return model.answer(request)

    server.answer = spoiled
    outcomes = request_outcomes(caption_requests(language_model(model.url), tmp_path), CLEAN_INSTRUCTION, TEXTS)
    assert [outcome.reason[:17] for outcome in outcomes] == ["", "", "the model's reply", "", ""]


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
