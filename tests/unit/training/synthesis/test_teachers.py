from pathlib import Path

import numpy as np
import pytest

from training.data.captions import FOLDER, read_label_captions
from training.data.pack import AudioStore
from training.synthesis.teacher import TeacherConfig
from training.synthesis.teachers import teacher_classes, teacher_scores

STORE = AudioStore(np.zeros(320, np.int16), np.array([0, 320]), 16_000)


def test_without_a_folder_there_is_no_teacher() -> None:
    assert teacher_classes(TeacherConfig()) == []
    assert teacher_scores(STORE, TeacherConfig()) is None


def test_classes_are_read_from_the_table_of_the_kind(tmp_path: Path) -> None:
    (tmp_path / "yamnet_class_map.csv").write_text('index,mid,display_name\n0,/m/1,"Bark, dog"\n', encoding="utf-8")
    (tmp_path / "class_labels_indices.csv").write_text("index,mid,display_name\n0,/m/2,Yip\n", encoding="utf-8")
    assert teacher_classes(TeacherConfig("yamnet", tmp_path)) == ["Bark, dog"]
    assert teacher_classes(TeacherConfig("mn04", tmp_path)) == ["Yip"]


@pytest.mark.parametrize(("kind", "weights"), [("yamnet", "yamnet.safetensors"), ("mn04", "mn04_as.safetensors")])
def test_scores_come_from_the_weights_of_the_kind(kind: str, weights: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=weights):
        teacher_scores(STORE, TeacherConfig(kind, tmp_path))  # pyright: ignore[reportArgumentType] - a literal


def test_the_classes_that_only_mn04_knows_have_written_captions() -> None:
    written = read_label_captions(FOLDER / "audioset.jsonl")
    assert len(written) == 527
    assert {"Male speech, man speaking", "Female speech, woman speaking"} <= set(written)
