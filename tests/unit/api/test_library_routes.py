import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.app import Parts, create_app
from service.engine.clip import Upload
from service.engine.clip_embedding import ClipEmbedding
from service.engine.interface import EmbeddedClip
from service.library.recording import LibraryModel
from service.library.searching import Searcher
from service.library.serving import ServedLibrary, open_served_library
from service.library.store import NewRecording
from service.library.uploads import AudioFiles
from service.settings import Settings
from service.shutdown import Shutdown
from tests.unit.api.fake_engine import MANIFEST, FakeEngine

pytestmark = pytest.mark.anyio
A, B = b"a" * 60 + b"z" * 40, b"z" * 50 + b"a" * 30 + b"z" * 900
"""A frame for each byte; the query "a..." is heard where the bytes are "a"."""


def make_client(
    engine: FakeEngine, library: ServedLibrary | None, settings: Settings | None = None
) -> httpx.AsyncClient:
    app = create_app(engine, settings or Settings(), "0", Shutdown(), Parts(library=library))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://earmark")


@pytest.fixture
def library(tmp_path: Path) -> ServedLibrary:
    library = open_served_library(str(tmp_path / "library"), MANIFEST, audio=True)
    assert library is not None
    return library


@pytest.fixture
async def client(engine: FakeEngine, library: ServedLibrary) -> AsyncIterator[httpx.AsyncClient]:
    async with make_client(engine, library) as client:
        yield client


async def send(client: httpx.AsyncClient, audio: bytes, metadata: str | None = None) -> httpx.Response:
    files: list[Any] = [("audio", ("x.wav", audio))]
    files += [("metadata", (None, metadata))] if metadata is not None else []
    return await client.post("/library/clips", files=files)


async def search(client: httpx.AsyncClient, **members: object) -> dict[str, Any]:
    response = await client.post("/search", json=members)
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_recording_that_was_sent_is_found_read_and_removed(client: httpx.AsyncClient) -> None:
    added = await send(client, A, '{"site": "north", "gain": 3}')
    assert added.status_code == 201
    recording = added.json()
    assert recording["metadata"] == {"site": "north", "gain": 3.0}
    assert (recording["duration_s"], recording["name"], recording["warnings"]) == (4.0, "", [])
    answer = await search(client, query="a tone")
    (moment,) = answer["moments"]
    assert moment["recording"]["id"] == recording["id"]
    assert (moment["onset_s"], moment["offset_s"]) == pytest.approx((0, 2.4), abs=0.3)
    assert (answer["searched_s"], answer["n_recordings"], answer["exact"]) == (4.0, 1, False)
    assert answer["model"] == {"name": "fake", "version": "2"}
    path = f"/library/clips/{recording['id']}"
    assert (await client.get(path)).json() == recording
    assert (await client.delete(path)).status_code == 204
    for method in ("GET", "DELETE"):
        gone = await client.request(method, path)
        assert (gone.status_code, gone.json()["type"]) == (404, "/problems/recording-not-found")
    assert (await search(client, query="a tone"))["moments"] == []


async def test_the_same_bytes_have_the_same_id_and_their_metadata_is_merged(client: httpx.AsyncClient) -> None:
    first = (await send(client, A, '{"site": "north", "gain": 3}')).json()
    again = (await send(client, A, '{"site": null, "year": 2026}')).json()
    assert again["id"] == first["id"]
    assert again["metadata"] == {"site": None, "gain": 3.0, "year": 2026.0}
    assert (await search(client, query="a"))["n_recordings"] == 1


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ("{", "metadata is not JSON"),
        ("[]", "metadata is not a JSON object"),
        ('{"generation": 1}', "keeps its own column"),
        ('{"a b": 1}', "a column is named"),
        ('{"x": [1]}', "metadata.x is list"),
        ('{"x": true}', "metadata.x is True"),
        ('{"x": 1e999}', "metadata.x is inf"),
        ('{"x": "' + "y" * 10_001 + '"}', "10001 characters"),
        ('{"x": "\\ud800"}', "Unicode text"),
        ("{" + ", ".join(f'"c{i}": 1' for i in range(201)) + "}", "203 columns; accepted: at most 200"),
        ('{"site": 5, "gain": "loud"}', "metadata.gain is str; accepted: a number"),
    ],
)
async def test_metadata_that_cannot_be_kept_is_refused(metadata: str, message: str, client: httpx.AsyncClient) -> None:
    await send(client, B, '{"site": "north", "gain": 3}')
    response = await send(client, A, metadata)
    assert response.status_code == 422, response.text
    assert message in response.json()["detail"]
    assert (await search(client, query="a"))["n_recordings"] == 1


async def test_a_recording_that_cannot_be_used_is_refused(client: httpx.AsyncClient) -> None:
    assert (await send(client, b"broken")).json()["type"] == "/problems/audio-undecodable"
    response = await client.post("/library/clips", files=[("metadata", (None, "{}"))])
    assert response.json()["type"] == "/problems/clip-unclear"
    assert (await client.post("/library/clips", json={})).status_code == 415


async def test_pages_follow_one_another_without_repetition(client: httpx.AsyncClient, library: ServedLibrary) -> None:
    for number in range(7):
        await send(client, bytes([97] * (20 + number)) + b"z" * 30 + bytes([number]))
    seen: list[tuple[str, float]] = []
    cursor = ""
    for _ in range(4):
        answer = await search(client, query="a", limit=2, cursor=cursor)
        seen += [(moment["recording"]["id"], moment["onset_s"]) for moment in answer["moments"]]
        cursor = answer["next_cursor"]
    assert cursor is None
    assert len(seen) == len(set(seen)) == 7
    whole = await search(client, query="a", limit=50)
    assert [(moment["recording"]["id"], moment["onset_s"]) for moment in whole["moments"]] == seen


def add_heard(library: ServedLibrary, similarity: float, number: int) -> str:
    """Adds a recording in which the query "a" is heard with a similarity; returns its id."""
    frames = np.zeros((50, MANIFEST.dimension), np.float16)
    frames[:, ord("z") % MANIFEST.dimension] = 1
    frames[:20, ord("z") % MANIFEST.dimension] = (1 - similarity**2) ** 0.5
    frames[:20, ord("a") % MANIFEST.dimension] = similarity
    clip = EmbeddedClip(hashlib.sha256(bytes([number])).hexdigest(), ClipEmbedding(frames, 50 * MANIFEST.grid.hop_s))
    return library.add(clip, BytesIO(b"x"), 1, {}).id


async def test_pages_go_on_although_better_moments_were_added(
    client: httpx.AsyncClient, library: ServedLibrary
) -> None:
    known = [add_heard(library, similarity, number) for number, similarity in enumerate([0.9, 0.85, 0.8])]
    answer = await search(client, query="a", limit=1, threshold=0.01)
    pages = [[moment["recording"]["id"] for moment in answer["moments"]]]
    for number in range(10, 16):
        add_heard(library, 1.0, number)
    while answer["next_cursor"]:
        answer = await search(client, query="a", limit=1, threshold=0.01, cursor=answer["next_cursor"])
        pages.append([moment["recording"]["id"] for moment in answer["moments"]])
    assert pages == [[recording_id] for recording_id in known]


async def test_facets_count_moments_by_recording_and_column(client: httpx.AsyncClient) -> None:
    for number, site in enumerate(["north", "north", "south"]):
        await send(client, b"a" * (30 + number) + b"z" * 30, f'{{"site": "{site}"}}')
    answer = await search(client, query="a", facets=["site", "recording"], limit=1)
    assert answer["facets"]["site"] == [{"value": "north", "count": 2}, {"value": "south", "count": 1}]
    assert [facet["count"] for facet in answer["facets"]["recording"]] == [1, 1, 1]
    assert len(answer["moments"]) == 1
    response = await client.post("/search", json={"query": "a", "facets": ["zone"]})
    assert "accepted: recording, site" in response.json()["detail"]


async def test_facets_name_the_files_of_recordings(
    client: httpx.AsyncClient, engine: FakeEngine, library: ServedLibrary
) -> None:
    sent = (await send(client, A)).json()
    indexed = replace(library.recording(sent["id"]), id="f" * 32, path="/archive/owl.wav")
    library.searcher.library.add([NewRecording(indexed, engine.embed(Upload(BytesIO(A))).embedding)])
    answer = await search(client, query="a", facets=["recording"])
    names = {facet["value"]: facet["name"] for facet in answer["facets"]["recording"]}
    assert names == {sent["id"]: "", "f" * 32: "owl.wav"}


async def test_the_library_is_described(client: httpx.AsyncClient, engine: FakeEngine, tmp_path: Path) -> None:
    empty = (await client.get("/library")).json()
    assert empty == {"n_recordings": 0, "duration_s": 0.0, "audio": True, "columns": {}}
    await send(client, A, '{"site": "north", "year": 2026}')
    await send(client, B)
    described = (await client.get("/library")).json()
    duration_s = (len(A) + len(B)) * MANIFEST.grid.hop_s
    assert (described["n_recordings"], described["duration_s"]) == (2, pytest.approx(duration_s))
    assert described["columns"] == {"site": "text", "year": "number"}
    assert (await client.get("/info")).json()["library"] is True
    silent = open_served_library(str(tmp_path / "library"), MANIFEST, audio=False)
    async with make_client(engine, silent) as other:
        assert (await other.get("/library")).json()["audio"] is False
    async with make_client(engine, None) as other:
        assert (await other.get("/library")).json()["type"] == "/problems/library-absent"


async def test_a_moment_has_its_curves_if_they_are_wanted(client: httpx.AsyncClient) -> None:
    await send(client, B)
    (moment,) = (await search(client, query="a", curve_s=0.4))["moments"]
    curve, hop_s = moment["curve"], MANIFEST.grid.hop_s
    assert curve["hop_s"] == hop_s
    assert curve["start_s"] == pytest.approx(moment["onset_s"] - 0.4, abs=hop_s)
    assert len(curve["score"]) == len(curve["similarity"])
    assert curve["start_s"] + len(curve["score"]) * hop_s == pytest.approx(moment["offset_s"] + 0.4, abs=hop_s)
    assert max(curve["score"]) == moment["score"]
    assert curve["start_s"] + (curve["score"].index(moment["score"]) + 0.5) * hop_s == pytest.approx(moment["peak_s"])
    (short,) = (await search(client, query="a", curve_s=0))["moments"]
    assert len(short["curve"]["score"]) == pytest.approx((moment["offset_s"] - moment["onset_s"]) / hop_s, abs=1)
    (plain,) = (await search(client, query="a"))["moments"]
    assert "curve" not in plain
    for refused in (-1, 10.5, "2", True):
        assert (await client.post("/search", json={"query": "a", "curve_s": refused})).status_code == 422


async def test_conditions_examples_and_exact_searches(client: httpx.AsyncClient) -> None:
    first = (await send(client, A, '{"site": "north"}')).json()
    second = (await send(client, B, '{"site": "south"}')).json()
    found = await search(client, query="a", where="site = 'south'", exact=True)
    assert [moment["recording"]["id"] for moment in found["moments"]] == [second["id"]]
    assert (found["n_recordings"], found["exact"]) == (1, True)
    example = f"{first['id']}@0.2-1.8"
    found = await search(client, like=example, unlike=[f"{first['id']}@3-3.6"])
    assert {moment["recording"]["id"] for moment in found["moments"]} == {first["id"], second["id"]}
    assert found["moments"][0]["query"] == f"like {example}"
    words = await search(client, query="a", like=example)
    assert words["moments"][0]["query"] == f"a like {example}"


@pytest.mark.parametrize(
    ("members", "status", "problem"),
    [
        ({}, 422, "queries-missing"),
        ({"query": "..."}, 422, "query-empty"),
        ({"query": ["a"] * 4}, 422, "too-many-queries"),
        ({"query": "a", "where": "zone = 1"}, 422, "filter-invalid"),
        ({"query": "a", "threshold": 2}, 422, "parameter-invalid"),
        ({"query": "a", "cursor": "x"}, 422, "parameter-invalid"),
        ({"like": "x"}, 422, "parameter-invalid"),
        ({"like": "x@1-2"}, 404, "clip-not-found"),
        ({"query": "a", "unlike": "x@1-2"}, 404, "clip-not-found"),
        ({"query": ["a", "b"], "like": "x@1-2"}, 422, "parameter-invalid"),
        ({"zone": 1}, 422, "field-unknown"),
    ],
)
async def test_searches_that_cannot_be_answered(
    members: dict[str, object], status: int, problem: str, client: httpx.AsyncClient
) -> None:
    response = await client.post("/search", json=members)
    assert (response.status_code, response.json()["type"]) == (status, f"/problems/{problem}")
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_body_that_is_too_large_or_no_json_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post("/search", content=b" " * 300_000)).status_code == 413
    assert (await client.post("/search", content=b"{")).json()["type"] == "/problems/form-malformed"


async def test_the_audio_is_sent_by_ranges_only_if_the_operator_allows_it(
    client: httpx.AsyncClient, engine: FakeEngine, library: ServedLibrary, tmp_path: Path
) -> None:
    recording = (await send(client, A)).json()
    path = f"/library/clips/{recording['id']}/audio"
    whole = await client.get(path)
    assert (whole.status_code, whole.content) == (200, A)
    assert whole.headers["x-content-type-options"] == "nosniff"
    part = await client.get(path, headers={"Range": "bytes=58-61"})
    assert (part.status_code, part.content) == (206, b"aazz")
    assert (await client.get(path, headers={"Range": "bytes=500-"})).status_code == 416
    silent = ServedLibrary(library.searcher, AudioFiles(str(tmp_path / "library"), is_allowed=False))
    async with make_client(engine, silent) as other:
        refused = await other.get(path)
        assert refused.json()["type"] == "/problems/recording-audio-missing"
        assert "the operator does not allow it (EARMARK_LIBRARY_AUDIO)" in refused.json()["detail"]
    await client.delete(f"/library/clips/{recording['id']}")
    assert (await client.get(path)).status_code == 404
    assert list((tmp_path / "library/audio").iterdir()) == []


async def test_without_a_library_every_route_says_so(engine: FakeEngine) -> None:
    async with make_client(engine, None) as client:
        answers = [
            await client.post("/search", json={"query": "a"}),
            await send(client, A),
            *[
                await client.request(m, f"/library/clips/x{p}")
                for m, p in (("GET", ""), ("DELETE", ""), ("GET", "/audio"))
            ],
        ]
    for answer in answers:
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/library-absent")
        assert "EARMARK_LIBRARY" in answer.json()["detail"]


async def test_damage_is_a_500_without_details(client: httpx.AsyncClient, library: ServedLibrary) -> None:
    await send(client, A)
    library.searcher.library.tables.frames.update(where="crc32 >= 0", values={"crc32": 1})
    response = await client.post("/search", json={"query": "a"})
    assert (response.status_code, response.json()["type"]) == (500, "/problems/library-damaged")
    assert "frames" not in response.text


async def test_searches_and_changes_are_counted(client: httpx.AsyncClient) -> None:
    recording = (await send(client, A)).json()
    await search(client, query="a")
    await client.delete(f"/library/clips/{recording['id']}")
    text = (await client.get("/metrics")).text
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert values["earmark_search_seconds_count", "false"] == 1
    assert values["earmark_search_seconds_count", "true"] == 0
    assert values["earmark_searched_recordings",] == 1
    assert values["earmark_library_changes_total", "added"] == 1
    assert values["earmark_library_changes_total", "removed"] == 1


def test_a_service_without_a_location_has_no_library(tmp_path: Path) -> None:
    assert open_served_library("", MANIFEST, audio=True) is None
    library = open_served_library(str(tmp_path / "new"), MANIFEST, audio=False)
    assert library is not None
    assert library.searcher.library.model == LibraryModel.of(MANIFEST)
    assert isinstance(library.searcher, Searcher)


async def test_a_clip_is_localized_by_examples_of_the_library(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    recording = (await send(client, A)).json()
    example = f"{recording['id']}@0.2-1.8"
    files: list[Any] = [("audio", ("x.wav", b"RIFF")), ("like", (None, example)), ("query", (None, "a dog"))]
    answer = await client.post("/localize", files=[*files, ("unlike", (None, f"{recording['id']}@3-3.6"))])
    assert [result["query"] for result in answer.json()["results"]] == [f"a dog like {example}"]
    assert engine.learnt is not None
    assert engine.learnt.embeddings[0, ord("a") % 8] > engine.learnt.embeddings[0, ord("z") % 8]
    known = await client.post("/localize", json={"clip_id": answer.json()["clip"]["id"], "like": [example]})
    assert [result["query"] for result in known.json()["results"]] == [f"like {example}"]


@pytest.mark.parametrize(
    ("fields", "status", "problem"),
    [
        ([("like", "x")], 422, "parameter-invalid"),
        ([("like", "x@1-2")], 404, "clip-not-found"),
        ([("unlike", "x@1-2")], 404, "clip-not-found"),
        ([("query", "a"), ("query", "b"), ("like", "x@1-2")], 422, "parameter-invalid"),
        ([], 422, "queries-missing"),
    ],
)
async def test_examples_that_cannot_be_used_are_refused(
    fields: list[tuple[str, str]], status: int, problem: str, client: httpx.AsyncClient
) -> None:
    files: list[Any] = [("audio", ("x.wav", b"RIFF")), *((name, (None, text)) for name, text in fields)]
    response = await client.post("/localize", files=files)
    assert (response.status_code, response.json()["type"]) == (status, f"/problems/{problem}")
