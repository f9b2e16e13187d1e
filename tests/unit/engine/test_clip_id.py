import hashlib
import io

import pytest

from service.core.errors import AudioEmpty, AudioTooLarge
from service.core.manifest import AUDIO_GRAPH, TEXT_GRAPH
from service.engine.clip_id import clip_id_of, model_id_of
from tests.manifests import make_manifest

MANIFEST = make_manifest()
LIMIT_BYTES = 3 << 20


def _clip_id(content: bytes) -> str:
    return clip_id_of(io.BytesIO(content), MANIFEST, LIMIT_BYTES)


def test_ids_are_the_digests_of_the_documented_values() -> None:
    facts = f'[3, "{"0" * 64}", [16000, 640, 250, 50]]'  # embedding version, audio graph, grid and windows
    model_id = hashlib.sha256(facts.encode()).hexdigest()
    assert model_id_of(MANIFEST) == model_id
    content_digest = hashlib.sha256(b"RIFF").hexdigest()
    assert _clip_id(b"RIFF") == hashlib.sha256(f"{model_id} {content_digest}".encode()).hexdigest()


def test_a_clip_is_read_from_its_first_byte_and_left_rewound() -> None:
    file = io.BytesIO(bytes(range(256)) * 10_000)  # more than one block
    file.seek(1000)
    assert clip_id_of(file, MANIFEST, LIMIT_BYTES) == _clip_id(file.getvalue())
    assert file.tell() == 0


def test_other_bytes_give_another_id() -> None:
    assert len({_clip_id(content) for content in (b"a", b"b", b"a\0")}) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"files": MANIFEST.files | {AUDIO_GRAPH: "1" * 64}},
        {"sample_rate_hz": 32_000},
        {"hop_samples": 320},
        {"window_frames": 251},
        {"overlap_frames": 49},
    ],
)
def test_all_that_decides_an_embedding_changes_the_models_id(changes: dict) -> None:
    assert model_id_of(make_manifest(**changes)) != model_id_of(MANIFEST)


@pytest.mark.parametrize(
    "changes", [{"files": MANIFEST.files | {TEXT_GRAPH: "1" * 64}}, {"scale": 10.0}, {"name": "another"}]
)
def test_facts_that_do_not_change_an_embedding_leave_the_models_id(changes: dict) -> None:
    assert model_id_of(make_manifest(**changes)) == model_id_of(MANIFEST)


def test_an_empty_clip_is_refused() -> None:
    with pytest.raises(AudioEmpty):
        _clip_id(b"")


def test_a_clip_at_the_size_limit_is_accepted_and_one_byte_more_is_not() -> None:
    assert len(clip_id_of(io.BytesIO(bytes(100)), MANIFEST, 100)) == 64
    with pytest.raises(AudioTooLarge, match="at most 100 bytes"):
        clip_id_of(io.BytesIO(bytes(101)), MANIFEST, 100)
