import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests.clips import tones
from tests.tiny_pack import build_tiny_pack
from training.data.excerpt_batches import WeightedDataset
from training.evaluation.validation import Validation, annotated_validation_set, scene_validation_set
from training.model import LanguageAudioModel
from training.recipe import Recipe, read_recipe
from training.towers.text import SentenceEncoder

RECIPE = Path("training/recipes/tiny.toml")


def recipe_for(pack: Path, *overrides: str) -> Recipe:
    return read_recipe(RECIPE, [f"data.folder={pack}", *overrides])


@pytest.fixture(scope="module")
def validation(tiny_pack: Path) -> Validation:
    recipe = recipe_for(tiny_pack, "validation.clips=2")
    return Validation(recipe, SentenceEncoder(recipe.text))


@pytest.fixture(scope="module")
def model(tiny_pack: Path, validation: Validation) -> LanguageAudioModel:
    torch.manual_seed(0)
    return LanguageAudioModel(recipe_for(tiny_pack), validation.encoder)


def test_scenes_of_a_pack_are_always_the_same(tiny_pack: Path, validation: Validation) -> None:
    repeated = scene_validation_set(tiny_pack, 2)
    assert repeated.name == validation.evaluation_set.name == "2 scenes of seed 20250514"
    for clip, clip_again in zip(validation.evaluation_set.clips, repeated.clips, strict=True):
        np.testing.assert_array_equal(clip.waveform(16_000), clip_again.waveform(16_000))
        assert clip.events == clip_again.events


def test_a_label_without_held_out_captions_is_queried_with_templates(validation: Validation) -> None:
    assert validation.evaluation_set.labels == ("clicks", "hiss", "sweep", "tone")
    assert validation.evaluation_set.queries[3] == ("tone", "the sound of tone", "tone can be heard")


def test_a_pack_without_a_label_of_3_val_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no label has 3 recordings in split 'val'.*validation\.clips = 0 disables"):
        scene_validation_set(build_tiny_pack(tmp_path, val=2), 2)


def test_the_score_is_the_reported_psds1_with_alpha_st_0(validation: Validation, model: LanguageAudioModel) -> None:
    report = validation.report(model)
    figures = report["localization"]["settings"]["default"]["figures"]
    assert validation.score(model) == figures["psds1_macro"]["value"]
    assert report["subject"] == {"kind": "checkpoint"}
    assert report["localization"]["bootstrap"]["resamples"] == 200
    assert set(report["localization"]["settings"]) == {"default"}


def test_validation_leaves_the_model_in_training_mode(validation: Validation, model: LanguageAudioModel) -> None:
    model.train()
    validation.score(model)
    assert model.training
    assert validation.localizer(model).model is not model


def grounding(folder: Path, n_recordings: int) -> Path:
    """Writes a folder of AudioGrounding whose `val` recordings have one phrase each."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for number in range(n_recordings):
        soundfile.write(folder / f"{number}.wav", tones([("low", 0.4, 1.2)], 2.0), 16_000)
        phrases = [{"phrase": f"sound {number}", "segments": [[0.4, 1.2]]}]
        entries.append({"audio_id": f"{number}.wav", "tokens": "a sound", "phrases": phrases})
    (folder / "val.json").write_text(json.dumps(entries))
    return folder


def test_recordings_of_all_data_sets_are_drawn_and_always_the_same(tmp_path: Path) -> None:
    datasets = [
        WeightedDataset("audio-grounding", grounding(tmp_path / name, n_recordings))
        for name, n_recordings in (("a", 2), ("b", 4))
    ]
    everything = annotated_validation_set(datasets, 10)
    assert everything.name == "6 recordings of split 'val'"
    assert len({clip.name for clip in everything.clips}) == 6
    few = annotated_validation_set(datasets, 3)
    assert few.name == "3 recordings of split 'val'"
    assert [clip.name for clip in few.clips] == [clip.name for clip in annotated_validation_set(datasets, 3).clips]
    assert {clip.name for clip in few.clips} < {clip.name for clip in everything.clips}
