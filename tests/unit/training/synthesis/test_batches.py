from pathlib import Path

import numpy as np
import pytest
import torch

from training.data.pack import AudioStore, read_pack_table
from training.synthesis.batches import BatchPlan, RecordingAnnotations, SceneBatches, joined
from training.synthesis.scene import SceneRecipe, SceneSynthesizer
from training.synthesis.truth import runs

CAPTIONS = [("a tone", "a beep"), ("hissing",), ("clicks", "ticking"), ("a sweep", "a siren")]


@pytest.fixture(scope="module")
def store(tiny_pack: Path) -> AudioStore:
    return AudioStore.decode([r for r in read_pack_table(tiny_pack) if r.split == "train"], 16_000)


def batches(
    store: AudioStore, batch: int = 4, n_batches: int = 3, different: int = 0, shared_captions: bool = False
) -> SceneBatches:
    synthesizer = SceneSynthesizer(store, SceneRecipe(scene_s=1.92, max_event_s=1.0), np.ones(len(store)))
    annotations = RecordingAnnotations(np.arange(len(store)) // 4, CAPTIONS)
    return SceneBatches(synthesizer, annotations, 640, BatchPlan(batch, n_batches, 5, different, shared_captions))


def test_scenes_do_not_depend_on_how_they_are_batched(store: AudioStore) -> None:
    four, two = list(batches(store)), list(batches(store, batch=2, n_batches=6))
    assert torch.equal(torch.cat([b.waveform for b in four]), torch.cat([b.waveform for b in two]))
    assert [c.text for b in four for c in b.captions] == [c.text for b in two for c in b.captions]


def test_different_scenes_come_again_in_the_same_order(store: AudioStore) -> None:
    waveform = torch.cat([b.waveform for b in batches(store, different=5)])
    assert torch.equal(waveform[5:10], waveform[:5])
    assert torch.equal(waveform[:5], torch.cat([b.waveform for b in batches(store)])[:5])


def test_shared_captions_are_the_same_for_all_events_of_a_label_in_a_scene(store: AudioStore) -> None:
    def captions_per_label(shared_captions: bool) -> int:
        most = 0
        for batch in batches(store, n_batches=20, shared_captions=shared_captions):
            for b in range(len(batch.waveform)):
                texts = {event.text for event in batch.events if event.recording == b}
                most = max(most, *(len(texts & set(label)) for label in CAPTIONS))
        return most

    assert captions_per_label(shared_captions=True) == 1
    assert captions_per_label(shared_captions=False) == 2


def test_events_are_the_runs_of_active_frames_with_a_caption_of_their_label(store: AudioStore) -> None:
    for batch in batches(store):
        expected = [
            (b, start, end, int(batch.labels[b, e]))
            for b, events in enumerate(batch.event_active)
            for e, active in enumerate(events)
            for start, end in runs(active.numpy() > 0)
        ]
        regions = [(r.recording, r.first_frame, r.end_frame) for r in batch.events]
        assert regions == [region[:3] for region in expected]
        assert all(r.text in CAPTIONS[label] for r, (*_, label) in zip(batch.events, expected, strict=True))


def test_the_caption_of_a_scene_joins_those_of_its_events(store: AudioStore) -> None:
    for batch in batches(store):
        for caption in batch.captions:
            captions = [event.text for event in batch.events if event.recording == caption.recording]
            assert caption.text == joined(captions)


@pytest.mark.parametrize(
    ("captions", "sentence"),
    [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "a", "c"], "a, b and c"), (["a", "a"], "a")],
)
def test_captions_are_joined_in_words_each_once(captions: list[str], sentence: str) -> None:
    assert joined(captions) == sentence
