from pathlib import Path

import numpy as np
import pytest
import torch

from training.claim.scored_maps import MappedSet, figures, map_set, score, single_query
from training.evaluation.evaluation_set import EvaluationClip, EvaluationSet
from training.evaluation.localizers import CheckpointLocalizer
from training.model import LanguageAudioModel
from training.recipe import read_recipe
from training.towers.pyramid import PyramidTower
from training.towers.text import SentenceEncoder

TOWER = ["audio={kind='pyramid', width=0.125, dimension=16, head_channels=16, head_blocks=1}", "centred=false"]


@pytest.fixture(scope="module")
def towers() -> tuple[LanguageAudioModel, SentenceEncoder]:
    recipe = read_recipe(Path("training/recipes/tiny.toml"), TOWER)
    torch.manual_seed(0)
    encoder = SentenceEncoder(recipe.text)
    return LanguageAudioModel(recipe, encoder).eval(), encoder


def clips(duration_s: float = 10.0) -> EvaluationSet:
    """Three clips of noise, in which two labels are searched for; the third clip is searched for one of them."""

    def clip(number: int, queried: tuple[int, ...]) -> EvaluationClip:
        samples = np.random.default_rng(number).uniform(-0.3, 0.3, round(16_000 * duration_s)).astype(np.float32)
        return EvaluationClip(f"clip{number}", lambda _: samples, duration_s, (("dog", 1.0, 2.5),), queried)

    queries = (("a dog barks", "barking"), ("rain falls", "it rains"))
    return EvaluationSet("noise", (clip(0, (0, 1)), clip(1, (0, 1)), clip(2, (0,))), ("dog", "rain"), queries)


def test_maps_give_the_cosines_that_waveforms_give(towers: tuple[LanguageAudioModel, SentenceEncoder]) -> None:
    model, encoder = towers
    assert isinstance(model.audio, PyramidTower)
    (mapped,) = score(model, encoder, single_query(map_set(model.audio, clips())), [0.0])
    localizer = CheckpointLocalizer(model, encoder, 0.0, 1.0)
    for query in mapped.queries:
        clip, text = clips().clips[query.clip], clips().queries[query.label][0]
        expected = localizer.similarities(clip.waveform(16_000), [text])[0]
        assert np.allclose(query.curve, expected, atol=2e-3)  # the maps are in half precision
        assert query.edges_s[-1] == 10.0
    assert [(q.clip, q.label) for q in mapped.queries] == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]


def test_a_set_is_read_as_it_was_saved(tmp_path: Path, towers: tuple[LanguageAudioModel, SentenceEncoder]) -> None:
    model, encoder = towers
    assert isinstance(model.audio, PyramidTower)
    mapped = map_set(model.audio, clips())
    mapped.save(tmp_path / "set.pt")
    loaded = MappedSet.load(tmp_path / "set.pt")
    assert figures(model, encoder, loaded) == figures(model, encoder, mapped)
    assert (loaded.clips.name, loaded.clips.labels, loaded.clips.queries) == ("noise", ("dog", "rain"), clips().queries)
    assert [c.events for c in loaded.clips.clips] == [c.events for c in clips().clips]
    with pytest.raises(ValueError, match="its waveform at 16000 Hz cannot be read"):
        loaded.clips.clips[0].waveform(16_000)


def test_the_figures_know_a_perfect_model_from_a_blind_one(towers: tuple[LanguageAudioModel, SentenceEncoder]) -> None:
    model, encoder = towers
    assert isinstance(model.audio, PyramidTower)
    mapped = single_query(map_set(model.audio, clips()))
    values = figures(model, encoder, mapped)
    assert set(values) == {
        "psds1_macro", "partial_auroc", "smoothed_psds1_macro", "smoothed_partial_auroc", "rank_caption", "rank_frame",
        "rank_frame_background",
    }  # fmt: skip
    assert all(0 <= value <= 1 for value in values.values())


def test_a_clip_that_is_longer_than_a_window_is_refused(towers: tuple[LanguageAudioModel, SentenceEncoder]) -> None:
    tower = towers[0].audio
    assert isinstance(tower, PyramidTower)
    with pytest.raises(ValueError, match=r"clip0 lasts 12.0 s; at most 10.24 s are accepted"):
        map_set(tower, clips(12.0))
