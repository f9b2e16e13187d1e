from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from tests.http_server import Reply, json_reply
from tests.unit.training.curation.freesound_server import FreesoundServer
from training.curation.freesound_api import RateLimit
from training.curation.journal import Journal
from training.curation.retries import ServerUnavailableError


def test_requests_are_limited_per_minute_and_per_day_over_runs(tmp_path: Path) -> None:
    now = [1000.0]
    waits: list[float] = []

    def sleep(time_s: float) -> None:
        waits.append(time_s)
        now[0] += time_s

    def limit() -> RateLimit:
        return RateLimit(Journal(tmp_path / "made.jsonl"), per_minute=2, per_day=5, clock=lambda: now[0], sleep=sleep)

    for _ in range(3):
        limit().wait()
        now[0] += 10
    assert waits == [40.0]
    limit().wait()
    limit().wait()
    with pytest.raises(ServerUnavailableError, match="5 requests were made within a day; the next is allowed in"):
        limit().wait()
    now[0] = 1000.0 + 86_400
    limit().wait()


def test_a_search_yields_the_sounds_of_all_pages_and_skips_deleted_ones(
    freesound: FreesoundServer, tmp_path: Path
) -> None:
    sounds = list(freesound.client(tmp_path).search("dog barking", "duration:[0 TO 30]"))
    assert [sound.id for sound in sounds] == [1, 2, 3]
    assert sounds[0].previews.ogg.endswith("/previews/1.ogg")
    assert [request.query["page"] for request in freesound.requests] == ["1", "2"]
    assert freesound.requests[0].query["filter"] == "duration:[0 TO 30]"


def test_a_page_is_fetched_only_when_its_first_sound_is_needed(freesound: FreesoundServer, tmp_path: Path) -> None:
    sounds = freesound.client(tmp_path).search("dog barking", "")
    assert [next(sounds).id, next(sounds).id] == [1, 2]
    assert len(freesound.requests) == 1


def test_the_token_is_sent_to_the_url_of_the_api_even_if_the_next_page_has_another(
    freesound: FreesoundServer, tmp_path: Path
) -> None:
    list(freesound.client(tmp_path).search("dog barking", ""))
    assert {request.headers["Authorization"] for request in freesound.requests} == {"Token secret"}
    assert {request.path for request in freesound.requests} == {"/apiv2/search/text/"}


def test_a_sound_that_does_not_exist_is_none(freesound: FreesoundServer, tmp_path: Path) -> None:
    client = freesound.client(tmp_path)
    sound = client.sound(7)
    assert sound is not None
    assert (sound.id, sound.username) == (7, "user1")
    assert client.sound(404) is None


def test_every_request_but_those_of_previews_is_logged(freesound: FreesoundServer, tmp_path: Path) -> None:
    client = freesound.client(tmp_path)
    sound = client.sound(7)
    assert sound is not None
    client.download(sound, tmp_path / "7.ogg")
    assert soundfile.info(tmp_path / "7.ogg").duration == 1.0
    assert len(Journal(tmp_path / "requests.jsonl").entries) == 1
    assert "Authorization" not in freesound.requests[-1].headers


@pytest.mark.parametrize("status", [404, 410])
def test_a_missing_preview_is_refused(status: int, freesound: FreesoundServer, tmp_path: Path) -> None:
    client = freesound.client(tmp_path)
    sound = client.sound(7)
    assert sound is not None
    freesound.audio = lambda sound: Reply(status=status)
    with pytest.raises(ValueError, match=f"no preview: HTTP {status}"):
        client.download(sound, tmp_path / "7.ogg")


def test_a_preview_larger_than_accepted_is_refused(freesound: FreesoundServer, tmp_path: Path) -> None:
    client = replace(freesound.client(tmp_path), max_preview_bytes=100)
    sound = client.sound(7)
    assert sound is not None
    with pytest.raises(ValueError, match="preview has more than 100 bytes"):
        client.download(sound, tmp_path / "7.ogg")


@pytest.mark.parametrize("answer", [Reply(b"<html>"), json_reply({"results": [{"id": "x"}], "next": None})])
def test_a_response_of_another_form_is_an_error(answer: Reply, freesound: FreesoundServer, tmp_path: Path) -> None:
    freesound.replies["/apiv2/search/text/"] = [answer]
    with pytest.raises(ServerUnavailableError, match="the response is not that of APIv2"):
        next(freesound.client(tmp_path).search("dog barking", ""))
