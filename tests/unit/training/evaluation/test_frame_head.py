from dataclasses import replace

import numpy as np
import pytest

from tests.unit.training.own_sounds.synthetic_scenes import MANIFEST, other_scenes, sound_scenes
from training.evaluation.frame_head import head_shift, learn_head
from training.own_sounds.detections import ALARMS_PER_HOUR, alarms_per_hour


def test_a_head_learns_the_sound_and_its_shift_limits_false_alarms() -> None:
    scenes, others = sound_scenes(), other_scenes(1000)
    head = learn_head(scenes, others.frames, MANIFEST.calibration)
    head = replace(head, shift=head_shift(head, others, MANIFEST))
    wanted = (np.log(0.5 / 0.5) - MANIFEST.bias) / MANIFEST.scale  # evidence of the threshold 0.5
    evidence = head.evidence(scenes.frames)
    assert (evidence[scenes.active] > wanted).mean() > 0.9
    assert alarms_per_hour(head, others, MANIFEST) == pytest.approx(ALARMS_PER_HOUR, abs=3.5)
    assert head.evidence(scenes.frames[0, 0]).item() == pytest.approx(evidence[0, 0], abs=1e-5)
