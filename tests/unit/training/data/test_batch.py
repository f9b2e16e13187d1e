import pytest
import torch

from training.data.batch import CaptionedBatch, CaptionedFrames, GlobalCaption


def batch(captions: tuple[GlobalCaption, ...] = (), events: tuple[CaptionedFrames, ...] = ()) -> CaptionedBatch:
    return CaptionedBatch(torch.zeros(2, 40), torch.tensor([4, 2]), 4, captions, events)


def test_an_event_covers_the_frames_from_its_first_up_to_its_end() -> None:
    events = (CaptionedFrames(0, 1, 3, "a dog"), CaptionedFrames(1, 0, 2, "rain"))
    assert batch(events=events).event_mask().tolist() == [[False, True, True, False], [True, True, False, False]]


def test_the_event_mask_of_a_batch_without_events_is_empty() -> None:
    assert batch().event_mask().shape == (0, 4)


def test_frames_of_padding_are_not_valid() -> None:
    assert batch().valid_mask().tolist() == [[True] * 4, [True, True, False, False]]


@pytest.mark.parametrize(
    "event",
    [
        CaptionedFrames(2, 0, 1, "a"),
        CaptionedFrames(0, 2, 2, "a"),
        CaptionedFrames(0, 3, 5, "a"),
        CaptionedFrames(1, 1, 3, "a"),
    ],
)
def test_an_event_outside_the_valid_frames_of_a_recording_is_refused(event: CaptionedFrames) -> None:
    with pytest.raises(ValueError, match=r"CaptionedFrames\("):
        batch(events=(event,))


def test_a_caption_of_a_recording_outside_the_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="none of the 2 recordings"):
        batch(captions=(GlobalCaption(2, "a"),))
