import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from model_export.__main__ import main
from model_export.bundle import check_size
from model_export.errors import BundleTooLarge, GraphInterfaceDiffers, ValuesDiffer
from model_export.graphs import round_to_half
from model_export.verification import AUDIO_TOLERANCE, TEXT_TOLERANCE, example_waveforms, verify
from service.core.localization import localize
from service.core.manifest import AUDIO_GRAPH, CPU_AUDIO_GRAPH, TEXT_GRAPH, verify_bundle
from service.core.scoring import EncodedQueries
from service.engine.clip import Upload
from service.engine.engine import open_engine
from service.engine.options import EngineOptions
from service.engine.text_encoder import TextEncoder
from tests.clips import wav
from training.checkpoint import load_checkpoint, starting_weights
from training.model import LanguageAudioModel
from training.recipe import read_recipe
from training.towers.text import SentenceEncoder


@pytest.fixture(scope="session")
def exported(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    card = folder / "CARD.md"
    card.write_text("# tiny\n")
    out = folder / "bundle"
    assert main([str(tiny_checkpoint), "--out", str(out), "--card", str(card)]) == 0
    return out


def test_the_manifest_of_a_bundle_has_the_facts_of_its_graphs(exported: Path) -> None:
    manifest = verify_bundle(exported)
    assert (manifest.name, manifest.dimension, manifest.window_frames) == ("tiny", 33, 264)
    assert CPU_AUDIO_GRAPH not in manifest.files  # no matrix is large


def test_the_service_hears_what_torch_hears(exported: Path, tiny_checkpoint: Path) -> None:
    model, encoder, _ = load_checkpoint(tiny_checkpoint)
    round_to_half(model)
    manifest = verify_bundle(exported)
    clip = example_waveforms(1, manifest.window_samples)[0]
    queries = ["a tone", "hiss"]
    engine = open_engine(exported, EngineOptions())
    text_encoder = TextEncoder(exported, manifest, EngineOptions())
    try:
        served = engine.localize(Upload.of_bytes(wav(clip)), queries)
        embeddings = text_encoder.encode(queries).embeddings
    finally:
        engine.close()
        text_encoder.close()
    with torch.inference_mode():
        frames = model.served_frames(torch.from_numpy(clip)[None])[0].numpy()
        exact = model.served_queries(encoder.encode(queries)).numpy()
    assert (embeddings * exact).sum(axis=1) == pytest.approx(1, abs=TEXT_TOLERANCE)
    expected = localize(
        frames, queries, EncodedQueries(embeddings), manifest, manifest.postprocessing, served.duration_s
    )
    for from_torch, from_service in zip(expected, served.results, strict=True):
        np.testing.assert_allclose(from_torch.similarity, from_service.similarity, atol=2e-3)


def test_a_changed_weight_is_refused_with_the_largest_difference(exported: Path, tiny_checkpoint: Path) -> None:
    graph = onnx.load(exported / AUDIO_GRAPH)
    weight = max(graph.graph.initializer, key=lambda w: int(np.prod(w.dims)) if w.data_type == 10 else 0)
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float16(1.5), weight.name))
    changed = exported.parent / "changed"
    changed.mkdir()
    onnx.save(graph, changed / AUDIO_GRAPH)
    (changed / TEXT_GRAPH).write_bytes((exported / TEXT_GRAPH).read_bytes())
    model, encoder, _ = load_checkpoint(tiny_checkpoint)
    round_to_half(model)
    with pytest.raises(ValuesDiffer) as raised:
        verify(changed, verify_bundle(exported), model, encoder)
    assert raised.value.largest > AUDIO_TOLERANCE


def test_a_renamed_output_is_refused(exported: Path, tiny_checkpoint: Path) -> None:
    graph = onnx.load(exported / AUDIO_GRAPH)
    for node in graph.graph.node:
        node.output[:] = ["other" if name == "frames" else name for name in node.output]
    graph.graph.output[0].name = "other"
    renamed = exported.parent / "renamed"
    renamed.mkdir()
    onnx.save(graph, renamed / AUDIO_GRAPH)
    (renamed / TEXT_GRAPH).write_bytes((exported / TEXT_GRAPH).read_bytes())
    model, encoder, _ = load_checkpoint(tiny_checkpoint)
    with pytest.raises(GraphInterfaceDiffers, match="other"):
        verify(renamed, verify_bundle(exported), model, encoder)


def test_a_missing_card_writes_nothing(
    tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bundle"
    assert main([str(tiny_checkpoint), "--out", str(out), "--card", str(tmp_path / "none.md")]) == 1
    assert not out.exists()
    assert "none.md" in capsys.readouterr().err


def test_a_run_is_not_replaced_by_its_bundle(
    tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card, run = tmp_path / "CARD.md", tmp_path / "run"
    card.write_text("# tiny\n")
    run.mkdir()
    checkpoint = shutil.copy(tiny_checkpoint, run)
    assert main([str(checkpoint), "--out", str(run), "--card", str(card)]) == 1
    assert Path(checkpoint).is_file()
    assert "run holds checkpoint.pt, no manifest.json, and would be replaced" in capsys.readouterr().err


def test_a_bundle_may_be_as_large_as_it_is_and_no_smaller(exported: Path) -> None:
    size = sum(file.stat().st_size for file in exported.iterdir())
    check_size(exported, size)
    with pytest.raises(BundleTooLarge, match=r"MB is allowed \(--max-mb\)"):
        check_size(exported, size - 1)


def test_a_bundle_is_a_start_for_training(exported: Path, tiny_checkpoint: Path) -> None:
    model, _, _ = load_checkpoint(tiny_checkpoint)
    round_to_half(model)
    state = starting_weights(exported, model)
    manifest = verify_bundle(exported)
    assert float(state["log_scale"].exp()) == pytest.approx(manifest.scale)
    for name, parameter in model.state_dict().items():
        if name.startswith("audio."):
            assert torch.equal(state[name], parameter), name
        elif name == "centre":
            assert torch.equal(state[name], parameter)
        elif name.startswith("projection."):  # 8 bits for each channel's range
            assert torch.allclose(state[name], parameter, atol=float(parameter.abs().max()) / 200), name


def test_a_bundle_of_another_shape_is_no_start(exported: Path) -> None:
    recipe = read_recipe(Path("training/recipes/compact.toml"))
    model = LanguageAudioModel(recipe, SentenceEncoder(recipe.text))
    with pytest.raises(ValueError, match=r"for centre; \(256,\) is expected"):
        starting_weights(exported, model)
