from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from training.data.batch import CaptionedFrames, GlobalCaption
from training.data.map_batch import MapBatch, save_map_batch
from training.synthesis.map_cache import CachedBatches, batch_file
from training.synthesis.recaption import Recaptioner, recaptioned, without_ambiences

RAIN, DOG = 1, 2
CAPTIONS = [("wind",), ("rain falls", "it rains"), ("a dog barks", "a dog", "barking")]


def scenes() -> MapBatch:
    """Two scenes of 4 frames: rain (the ambience) and two barks; a bark over an ambience that is no event."""
    active = torch.tensor(
        [[[1.0, 1, 1, 1], [0, 1, 0, 1]], [[0, 0, 1, 1], [0, 0, 0, 0]]],
    )
    return MapBatch(
        waveform=torch.zeros(2, 0),
        valid_frames=torch.tensor([4, 4]),
        n_frames=4,
        captions=(GlobalCaption(0, "old"), GlobalCaption(1, "old")),
        events=(CaptionedFrames(0, 0, 4, "old"), CaptionedFrames(1, 2, 4, "old")),
        event_active=active,
        labels=torch.tensor([[RAIN, DOG], [DOG, 0]]),
        ambience=torch.tensor([RAIN, RAIN]),
        teacher=torch.zeros(2, 2, 0),
        teacher_unknown=torch.zeros(2, 0, dtype=torch.bool),
        maps=(torch.zeros(2, 4, 3, dtype=torch.int8),),
    )


def test_all_events_of_a_label_get_its_caption_and_a_scene_joins_the_captions_of_its_events() -> None:
    batch = recaptioned(scenes(), ["wind", "rain falls", "a dog barks"])
    assert batch.events == (
        CaptionedFrames(0, 0, 4, "rain falls"),
        CaptionedFrames(0, 1, 2, "a dog barks"),
        CaptionedFrames(0, 3, 4, "a dog barks"),
        CaptionedFrames(1, 2, 4, "a dog barks"),
    )
    assert batch.captions == (GlobalCaption(0, "rain falls and a dog barks"), GlobalCaption(1, "a dog barks"))


def test_an_ambience_without_captions_is_in_no_caption_and_other_events_stay() -> None:
    removed = without_ambiences(scenes(), np.array([True, True]))
    batch = recaptioned(removed, ["wind", "rain falls", "a dog barks"])
    assert [event.text for event in batch.events] == ["a dog barks"] * 3
    assert [caption.text for caption in batch.captions] == ["a dog barks"] * 2
    assert torch.equal(batch.event_active[0, 0], torch.zeros(4))
    assert torch.equal(batch.event_active[1], scenes().event_active[1])  # its first event is not its ambience
    assert torch.equal(without_ambiences(scenes(), np.array([False, False])).event_active, scenes().event_active)


def test_a_scene_in_which_only_an_uncaptioned_ambience_is_heard_has_no_caption() -> None:
    alone = replace(scenes(), labels=torch.tensor([[RAIN, 0], [DOG, 0]]))
    alone.event_active[0, 1] = 0
    batch = recaptioned(without_ambiences(alone, np.array([True, False])), ["wind", "rain falls", "a dog barks"])
    assert batch.captions == (GlobalCaption(1, "a dog barks"),)


def test_the_draws_depend_on_the_seed_and_a_scene_keeps_whether_its_ambience_is_captioned() -> None:
    half = Recaptioner(CAPTIONS, 0.5, seed=1)
    texts = [tuple(event.text for event in half.draw(scenes(), index, 0).events) for index in range(30)]
    assert len(set(texts)) > 3
    rains = {any("rain" in text for text in of_batch) for of_batch in texts}
    assert len(rains) == 1
    shares = [
        Recaptioner(CAPTIONS, 0.5, seed).uncaptioned(50, number).mean() for seed in (1, 2) for number in range(40)
    ]
    assert 0.45 < np.mean(shares) < 0.55
    assert len(set(shares)) > 4
    assert not Recaptioner(CAPTIONS, 1.0, 1).uncaptioned(50, 0).any()
    assert Recaptioner(CAPTIONS, 0.0, 1).uncaptioned(50, 0).all()


def test_a_cache_is_read_with_new_captions(tmp_path: Path) -> None:
    files = [batch_file(tmp_path, number) for number in range(3)]
    for file in files:
        save_map_batch(scenes(), file)
    batches = CachedBatches(files, 9, 4, Recaptioner(CAPTIONS, 0.0, 4))
    assert {event.text for batch in batches for event in batch.events} == set(CAPTIONS[DOG])
    assert {event.text for event in CachedBatches(files, 9, 4)[0].events} == {"old"}
    assert sorted(batches.number(index) for index in range(3, 6)) == [0, 1, 2]
