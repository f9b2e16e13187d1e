import shutil
from pathlib import Path

import numpy as np
import pytest

from service.core.manifest import AUDIO_GRAPH, CPU_AUDIO_GRAPH, MODEL_CARD, verify_bundle
from tests.tiny_bundle import sign_bundle
from training.own_sounds.bundle import AddedSound, FolderNotEmptyError, write_with_sound
from training.own_sounds.encoders import BundleEncoders
from training.own_sounds.learning import LearntQuery
from training.own_sounds.text_graph import Wordings

EYE = np.eye(8, dtype=np.float32)
SOUND = AddedSound("My *Kazoo*!", 12, Wordings(EYE[6:7], 0.9, 0.95), LearntQuery(EYE[4]))


def test_the_new_bundle_is_whole_and_differs_only_in_the_words_of_the_sound(tiny_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "bundle"
    write_with_sound(tiny_bundle, SOUND, out)
    before, after = verify_bundle(tiny_bundle), verify_bundle(out)
    assert after.version == f"{before.version}+my-kazoo"
    assert after.trained_on[:-1] == before.trained_on
    assert "12 recordings of 'My *Kazoo*!'" in after.trained_on[-1]
    assert after.files[AUDIO_GRAPH] == before.files[AUDIO_GRAPH]
    assert "## Added sound: My *Kazoo*!" in (out / MODEL_CARD).read_text()
    queries = BundleEncoders.open(out, 1).queries(["kazoo", "low", "a high tone"]).embeddings
    old = BundleEncoders.open(tiny_bundle, 1).queries(["kazoo", "low", "a high tone"]).embeddings
    assert np.allclose(queries[0], EYE[4], atol=1e-6)  # an unknown word is channel 6 of the tiny bundle
    assert np.array_equal(queries[1:], old[1:])
    assert [path.name for path in out.parent.iterdir()] == ["bundle"]


def test_the_graph_for_cpus_goes_with_the_bundle(tiny_bundle_copy: Path, tmp_path: Path) -> None:
    shutil.copyfile(tiny_bundle_copy / AUDIO_GRAPH, tiny_bundle_copy / CPU_AUDIO_GRAPH)
    sign_bundle(tiny_bundle_copy)
    write_with_sound(tiny_bundle_copy, SOUND, tmp_path / "new")
    before, after = verify_bundle(tiny_bundle_copy), verify_bundle(tmp_path / "new")
    assert after.files[CPU_AUDIO_GRAPH] == before.files[CPU_AUDIO_GRAPH]


def test_nothing_is_overwritten(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("x")
    for out in (tmp_path / "file", tmp_path / "full"):
        with pytest.raises(FolderNotEmptyError, match="exists already; a new or empty folder is accepted"):
            write_with_sound(tiny_bundle, SOUND, out)
    assert (tmp_path / "full" / "thesis.txt").read_text() == "x"
    (tmp_path / "empty").mkdir()
    write_with_sound(tiny_bundle, SOUND, tmp_path / "empty")
    verify_bundle(tmp_path / "empty")
