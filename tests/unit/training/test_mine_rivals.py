from pathlib import Path

import numpy as np
import pytest

from training.checkpoint import CHECKPOINT
from training.mine_rivals import main, peaks
from training.recipe import read_recipe
from training.source import train_recordings
from training.synthesis.confusions import Confusions
from training.train import train


def test_a_peak_is_a_high_quantile_over_the_frames() -> None:
    frames = np.zeros((100, 2), dtype=np.float32)
    frames[:, 0] = np.arange(100) / 100
    frames[50:60, 1] = 1.0
    high = peaks(frames, np.eye(2, dtype=np.float32))
    assert high == pytest.approx([0.9405, 1.0])


def test_the_command_hears_the_training_recordings_and_a_run_reads_what_it_found(
    tiny_pack: Path, tmp_path: Path
) -> None:
    recipe, folder = Path("training/recipes/tiny.toml"), f"data.folder={tiny_pack}"
    train(read_recipe(recipe, [folder, "optimization.steps=1"]), tmp_path / "run")
    file = tmp_path / "confusions.npz"
    main([str(tmp_path / "run" / CHECKPOINT), str(recipe), "--out", str(file), "--set", folder])

    labels = tuple(dict.fromkeys(recording.label for recording in train_recordings(read_recipe(recipe, [folder]))))
    confusions = Confusions.load(file, labels)
    assert np.isfinite(confusions.similarity).all()
    assert (np.abs(confusions.similarity) <= 1.0 + 1e-6).all()

    overrides = [folder, "optimization.steps=1", "scenes.world.rival_rate=1.0", f"data.confusions={file}"]
    assert train(read_recipe(recipe, overrides), tmp_path / "rivals").is_file()


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.pt"
    with pytest.raises(SystemExit, match=str(missing)):
        main([str(missing), "training/recipes/tiny.toml", "--out", str(tmp_path / "confusions.npz")])
