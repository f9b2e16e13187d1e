from pathlib import Path

import pytest
import torch

from tests.tiny_pack import LABELS
from tests.tiny_tacos import RECORDINGS, build_tiny_tacos
from training.recipe import Recipe, read_recipe
from training.source import DatasetSource, dataset_source, make_source, scene_source
from training.synthesis.scene_source import SceneSource
from training.towers.text import SentenceEncoder, TextTowerConfig

NO_LABEL_LOSSES = ("losses.label_sigmoid=0.0", "losses.label_contrastive=0.0", "losses.clip_contrastive=1.0")


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder(TextTowerConfig())


def tiny(*overrides: str) -> Recipe:
    return read_recipe(Path("training/recipes/tiny.toml"), list(overrides))


def on_tacos(folder: Path, *overrides: str) -> Recipe:
    sets = f"data.sets=[{{name='tacos', folder='{build_tiny_tacos(folder / 'tacos')}'}}]"
    return tiny(sets, "excerpts.length_s=1.92", *NO_LABEL_LOSSES, *overrides)


def test_a_recipe_trains_on_scenes_unless_it_names_data_sets(
    tiny_pack: Path, tmp_path: Path, encoder: SentenceEncoder
) -> None:
    assert isinstance(make_source(tiny(f"data.folder={tiny_pack}"), encoder), SceneSource)
    assert isinstance(make_source(on_tacos(tmp_path), encoder), DatasetSource)


def test_scenes_are_mixed_from_the_training_recordings_of_the_pack(tiny_pack: Path, encoder: SentenceEncoder) -> None:
    source = scene_source(tiny(f"data.folder={tiny_pack}"), encoder)
    assert len(source.recordings.store) == 16  # of 28, of which 12 are for validation
    assert {r.split for r in source.recordings.recordings} == {"train"}
    assert source.vocabulary.labels == LABELS
    assert source.recordings.teacher is None


def test_a_batch_of_scenes_has_the_length_that_the_recipe_says(tiny_pack: Path, encoder: SentenceEncoder) -> None:
    batches = scene_source(tiny(f"data.folder={tiny_pack}"), encoder).batches(2, 3)
    assert len(batches) == 3
    assert batches[0].waveform.shape == (2, round(3.84 * 16_000))
    assert batches[0].n_frames == 96  # 3.84 s in frames of 40 ms


def test_a_teacher_whose_scores_nothing_needs_is_not_run(tiny_pack: Path, encoder: SentenceEncoder) -> None:
    recipe = tiny(f"data.folder={tiny_pack}", "teacher.folder=/nowhere", "teacher.warm_start_steps=0")
    assert scene_source(recipe, encoder).recordings.teacher is None
    with pytest.raises(FileNotFoundError, match="nowhere"):
        scene_source(tiny(f"data.folder={tiny_pack}", "teacher.folder=/nowhere"), encoder)


def test_captions_of_labels_do_not_train_the_sentence_encoder(tiny_pack: Path, encoder: SentenceEncoder) -> None:
    with pytest.raises(ValueError, match=r"with text\.trained only 0 is accepted for losses\.label_sigmoid"):
        scene_source(tiny(f"data.folder={tiny_pack}", "text.trained=true"), encoder)


@pytest.mark.parametrize("loss", ["label_overlap", "teacher_sigmoid"])
def test_every_loss_against_captions_of_labels_or_classes_needs_a_frozen_sentence_encoder(
    loss: str, tiny_pack: Path, encoder: SentenceEncoder
) -> None:
    overrides = (*NO_LABEL_LOSSES, f"losses.{loss}=1.0", "text.trained=true", "teacher.folder=/nowhere")
    with pytest.raises(ValueError, match=rf"only 0 is accepted for losses\.{loss}"):
        scene_source(tiny(f"data.folder={tiny_pack}", *overrides), encoder)


def test_excerpts_are_cut_from_the_training_examples_of_the_data_sets(tmp_path: Path) -> None:
    source = dataset_source(on_tacos(tmp_path))
    assert [len(pool.examples) for pool in source.pools] == [RECORDINGS]
    assert source.vocabulary is None
    batch = source.batches(2, 3)[0]
    assert (batch.waveform.shape, batch.n_frames) == ((2, round(1.92 * 16_000)), 48)


def test_a_batch_depends_on_its_index_and_the_seed_alone(tmp_path: Path) -> None:
    recipe = on_tacos(tmp_path)
    few, many = (dataset_source(recipe).batches(2, count) for count in (2, 9))
    assert torch.equal(few[1].waveform, many[1].waveform)
    assert few[1].events == many[1].events
    assert not torch.equal(few[0].waveform, few[1].waveform)
