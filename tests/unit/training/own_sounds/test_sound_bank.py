from pathlib import Path

import numpy as np
import pytest

from tests.unit.training.own_sounds.synthetic_scenes import other_scenes
from training.own_sounds.encoders import BundleEncoders
from training.own_sounds.sound_bank import COMPONENTS, NO_LABEL, PACKAGED_BANK, SoundBank, SoundBankError

MAX_BYTES = 5_000_000


def small_bank() -> SoundBank:
    labels = np.array([[0, 1], [1, NO_LABEL], [NO_LABEL, NO_LABEL]], np.int16)
    return SoundBank.of(other_scenes(3).frames, labels, ("dog", "cat"), "a" * 64, ("pack; Ada; CC0",))


def test_embeddings_survive_compression_and_the_file(tmp_path: Path) -> None:
    bank = small_bank()
    bank.save(tmp_path / "bank.npz")
    loaded = SoundBank.load(tmp_path / "bank.npz")
    restored = loaded.frames()
    assert np.allclose(restored, other_scenes(3).frames, atol=0.01)
    assert np.allclose(np.linalg.norm(restored, axis=-1), 1, atol=1e-5)
    assert (loaded.names, loaded.audio_sha256, loaded.attribution) == (bank.names, bank.audio_sha256, bank.attribution)
    assert np.array_equal(loaded.labels, bank.labels)
    assert loaded.frame_step == bank.frame_step


def test_scenes_with_a_label_are_left_out() -> None:
    bank = small_bank()
    assert bank.scenes_without(frozenset({"dog"})).tolist() == [False, True, True]
    assert bank.scenes_without(frozenset({"cat", "unknown"})).tolist() == [False, False, True]
    assert bank.scenes_without(frozenset()).all()


def test_a_missing_and_a_broken_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "other.npz", codes=np.zeros(3))
    (tmp_path / "cut.npz").write_bytes(PACKAGED_BANK.read_bytes()[:100_000])
    with pytest.raises(SoundBankError, match=r"does not exist; python -m training.build_sound_bank"):
        SoundBank.load(tmp_path / "missing.npz")
    for name in ("text.npz", "other.npz", "cut.npz"):
        with pytest.raises(SoundBankError, match="is no sound bank"):
            SoundBank.load(tmp_path / name)


def test_a_bank_of_another_audio_graph_is_refused(tiny_bundle: Path) -> None:
    with pytest.raises(SoundBankError, match=r"made for an audio graph with sha256 aaaaaaaaaaaa.*build_sound_bank"):
        small_bank().check_fits(BundleEncoders.open(tiny_bundle, 1))


def test_the_packaged_bank_is_small_and_names_its_authors() -> None:
    bank = SoundBank.load(PACKAGED_BANK)
    assert PACKAGED_BANK.stat().st_size < MAX_BYTES
    assert len(bank.basis) <= COMPONENTS
    assert len(bank.names) > 800
    assert bank.labels.max() < len(bank.names)
    assert len(bank.attribution) > 100
    assert all(line.count(";") >= 2 for line in bank.attribution)
