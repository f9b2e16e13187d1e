import pytest

from service.client.clip_source import clip_source
from service.client.connection import Address
from service.client.conversation import Send


@pytest.mark.parametrize("url", ["http://host:8000/prefix", "http://host:8000/prefix/"])
def test_the_path_follows_the_prefix_of_the_address(url: str) -> None:
    with Address(url).arguments(Send("GET", "/info")) as arguments:
        assert arguments == {"method": "GET", "url": "http://host:8000/prefix/info"}


def test_the_audio_is_closed_when_the_request_is_sent() -> None:
    send = Send("POST", "/localize", {"query": "rain"}, clip_source(b"RIFF"))
    with Address("http://host", "key").arguments(send) as arguments:
        name, file, _ = arguments["files"]["audio"]
        assert (name, file.read()) == ("clip", b"RIFF")
        assert arguments["headers"] == {"Authorization": "Bearer key"}
    assert file.closed


@pytest.mark.parametrize(("clip_id", "headers"), [("ab12", {"X-Session-ID": "ab12"}), ("a\r\nb", None), (None, None)])
def test_the_id_of_the_clip_is_a_header_by_which_requests_are_routed(clip_id: str | None, headers: object) -> None:
    with Address("http://host").arguments(Send("POST", "/localize", {}, clip_id=clip_id)) as arguments:
        assert arguments.get("headers") == headers
