from pathlib import Path

import numpy as np
import pytest

from tests.tiny_pack import build_tiny_pack
from training.data.captions import read_label_captions
from training.evaluation.benchmark import PASSES, VALIDATION_CAPTIONS
from training.evaluation.realistic_set import WORDINGS, evaluate_realistic, onsets, queries_by_wording, realistic_sets
from training.evaluation.report import as_text


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """Two labels that have captions of all wordings, an ambience, and a label without captions."""
    folder = build_tiny_pack(tmp_path, train=0, val=4)
    table = folder / "clips.csv"
    text = table.read_text()
    for name, label in (("tone", "cow"), ("sweep", "siren"), ("hiss", "sea waves")):
        text = text.replace(f",{name},", f",{label},")
    table.write_text(text)
    return folder


def test_the_wordings_share_scenes_and_labels_and_differ_in_their_queries(pack: Path) -> None:
    sets = realistic_sets(pack, n_scenes=3)
    assert list(sets) == ["real", "untrained", "trained"]
    assert {evaluation_set.labels for evaluation_set in sets.values()} == {("cow", "siren")}
    for clip in sets["real"].clips:
        assert clip.name.endswith("(sea waves)")
        assert clip.queried_labels == (0, 1)
        assert {label for label, _, _ in clip.events} <= {"cow", "siren", "clicks"}
        assert clip.waveform(16_000).shape == (160_000,)
    cow = {wording: evaluation_set.queries[0] for wording, evaluation_set in sets.items()}
    assert cow["untrained"][0] == read_label_captions(VALIDATION_CAPTIONS)["cow"].captions[0]
    assert len({query for queries in cow.values() for query in queries}) == 9


def test_no_real_wording_is_one_of_the_other_wordings() -> None:
    labels = list(read_label_captions(WORDINGS["real"]))
    queries = queries_by_wording(labels)
    texts = {wording: {query for of_label in by.values() for query in of_label} for wording, by in queries.items()}
    assert not texts["real"] & (texts["trained"] | texts["untrained"])
    assert len(queries["real"]) > 45
    assert all(len(of_label) == PASSES for by in queries.values() for of_label in by.values())


def test_a_scene_has_1_to_4_sounds() -> None:
    counts = {len(list(onsets(np.random.default_rng(seed), 10.0))) for seed in range(40)}
    assert counts == {1, 2, 3, 4}


def test_a_bundle_is_evaluated_with_each_wording(
    pack: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.evaluation import realistic_set
    from training.evaluation.localizers import BundleLocalizer

    small = realistic_sets(pack, n_scenes=2)
    monkeypatch.setattr(realistic_set, "realistic_sets", lambda folder: small)
    report = evaluate_realistic(BundleLocalizer(tiny_bundle), pack, resamples=3)
    assert set(report["wordings"]) == {"real", "untrained", "trained"}
    assert report["localization"]["set"]["name"] == "2 realistic scenes of seed 20250517, real wording"
    lines = as_text({"subject": {"kind": "bundle"}, **report}).splitlines()
    assert "  figure                             real  untrained    trained" in lines


def test_a_pack_without_worded_labels_is_refused(tiny_pack: Path) -> None:
    with pytest.raises(ValueError, match=r"no label has 3 recordings in split 'val' and captions in realistic.jsonl"):
        realistic_sets(tiny_pack)
