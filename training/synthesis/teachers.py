"""The teacher that a recipe chooses: YAMNet or EfficientAT's MobileNet."""

from training.data.pack import AudioStore
from training.synthesis.mobilenet_teacher import CLASSES, score_with_mobilenet
from training.synthesis.teacher import CLASS_MAP, TeacherConfig, TeacherScores, class_names, score_recordings


def teacher_classes(config: TeacherConfig) -> list[str]:
    """The names of the teacher's classes, in the order of its scores; empty without a teacher."""
    if config.folder is None:
        return []
    return class_names(config.folder / (CLASS_MAP if config.kind == "yamnet" else CLASSES))


def teacher_scores(store: AudioStore, config: TeacherConfig) -> TeacherScores | None:
    """The teacher's scores of all recordings of a store, or None without a teacher."""
    if config.folder is None:
        return None
    return (score_recordings if config.kind == "yamnet" else score_with_mobilenet)(store, config.folder)
