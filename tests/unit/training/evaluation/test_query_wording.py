from pathlib import Path

import numpy as np
import pytest

from service.core.manifest import verify_bundle
from service.core.segments import Segment
from service.engine.engine import open_engine
from service.engine.options import EngineOptions
from tests.tiny_bundle import SAMPLE_RATE_HZ
from training.evaluation.benchmark import Benchmark, BenchmarkEvent, BenchmarkScene
from training.evaluation.query_wording import FORMS, PHRASES, Agreement, copy_with_version, measure_wordings, wordings


def _segments(*edges: tuple[float, float]) -> list[Segment]:
    return [Segment(onset_s, offset_s, 0.9, onset_s) for onset_s, offset_s in edges]


def test_agreement_is_worked_by_hand() -> None:
    agreement = Agreement()
    assert agreement.figures() == (0, 0, 1, 1)
    agreement.add(_segments((1, 3), (5, 6)), _segments((1, 3), (5, 6)))
    agreement.add(_segments((1, 3)), _segments((1.2, 4)))
    agreement.add(_segments(), _segments((1, 2)))
    agreement.add(_segments(), _segments())
    # 4 searches; 2 identical; presence differs in one; 5 of 6 edges within 0.2 s; 3 + 1.8 of 3 + 3 + 1 s in common
    assert agreement.figures() == pytest.approx((0.5, 0.75, 5 / 6, 4.8 / 7))


def test_the_wordings_of_a_caption_begin_with_the_caption() -> None:
    assert wordings("a dog barks")[:4] == ("a dog barks", "A DOG BARKS", "a dog barks.", "I can hear a dog barks")
    assert len(wordings("rain")) == len(PHRASES)
    assert len({len(forms) for forms in FORMS.values()}) == 1


def test_wordings_are_compared_where_a_sound_is_heard_and_agree_if_the_bundle_has_rules(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    scene = BenchmarkScene("s", np.zeros(SAMPLE_RATE_HZ, np.float32), (BenchmarkEvent("dog", 0.2, 0.4, 3.0),))
    benchmark = Benchmark((scene,), ("cat", "dog"), SAMPLE_RATE_HZ, 1.0)
    copy = copy_with_version(tiny_bundle, 1, tmp_path)
    assert verify_bundle(copy).query_normalizer_version == 1
    phrases, forms = measure_wordings(open_engine(copy, EngineOptions(device="cpu")), benchmark)
    assert set(phrases) == set(PHRASES[1:])
    assert list(forms) == ["form 1", "form 2", "form 3", "form 4"]
    assert all(agreement.figures()[0] == 1 and agreement.n_searches == 1 for agreement in phrases.values())
