"""Each kind of audio tower that a recipe can choose is exported to a bundle, which the service then serves."""

from pathlib import Path

import httpx
import numpy as np
import pytest
import soxr
import torch

from model_export.__main__ import main
from model_export.graphs import round_to_half
from service.app import create_app
from service.core import scoring
from service.core.manifest import verify_bundle
from service.engine.engine import open_engine
from service.engine.text_encoder import TextEncoder
from service.settings import Settings, engine_options
from service.shutdown import Shutdown
from tests.clips import wav
from tests.tiny_roberta import build_tiny_roberta
from training.checkpoint import load_checkpoint
from training.evaluation.localizers import CheckpointLocalizer
from training.model import LanguageAudioModel
from training.recipe import recipe_from_dict, recipe_to_dict
from training.towers.text import SentenceEncoder

pytestmark = pytest.mark.anyio

TOWERS = {
    "tacos": {"kind": "asit", "blocks": 1},  # of 12, to save time; everything else is as in TACOS
    "mobilenet": {"kind": "frame_mobilenet", "width": 0.4, "dimension": 512},
    "pyramid": {"kind": "pyramid"},
}
MANIFEST = {  # sample rate in Hz, samples of a hop, dimension, frames of a window
    "tacos": (32_000, 640, 1024, 497),
    "mobilenet": (16_000, 640, 512, 250),
    "pyramid": (16_000, 640, 256, 256),
}
QUERIES = ["A dog barks!", "rain falls"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=list(TOWERS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def checkpoint(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(name)
    text = {
        "encoder": str(build_tiny_roberta(folder / "encoder")),
        "pooling": "first",
        "trained": True,
        "max_tokens": 32,
        "query_normalization": "lowercase_strip_punctuation",
        "projection": "linear",
    }
    recipe = recipe_from_dict({"name": name, "centred": False, "audio": TOWERS[name], "text": text})
    torch.manual_seed(0)
    model = LanguageAudioModel(recipe, SentenceEncoder(recipe.text))
    with torch.no_grad():
        model.audio.output.bias.zero_()  # it would outweigh the features of random weights
    torch.save({"recipe": recipe_to_dict(recipe), "average": model.state_dict()}, folder / "checkpoint.pt")
    (folder / "CARD.md").write_text("# random\n")
    return folder / "checkpoint.pt"


@pytest.fixture(scope="module")
def bundle(checkpoint: Path) -> Path:
    out, card = checkpoint.parent / "bundle", checkpoint.parent / "CARD.md"
    assert main([str(checkpoint), "--out", str(out), "--card", str(card), "--max-mb", "60"]) == 0
    return out


def test_the_manifest_describes_the_tower(name: str, bundle: Path) -> None:
    manifest = verify_bundle(bundle)
    grid = (manifest.sample_rate_hz, manifest.hop_samples, manifest.dimension, manifest.window_frames)
    assert grid == MANIFEST[name]
    assert (manifest.max_query_tokens, manifest.query_normalization) == (32, "lowercase_strip_punctuation")
    assert not any(licence.startswith("MIT: ") for licence in manifest.licences)  # random weights have no licence


async def test_the_service_gives_the_similarities_of_torch_for_a_clip_of_several_windows(
    bundle: Path, checkpoint: Path
) -> None:
    rng = np.random.default_rng(0)
    clip = np.concatenate([rng.standard_normal(48_000) * level for level in (0.2, 0.0, 0.02, 0.3, 0.001)])
    clip = clip.astype(np.float32).clip(-1, 1)  # 15 s at 16 kHz
    settings = Settings(intra_op_threads=1)
    engine = open_engine(bundle, engine_options(settings))
    text_encoder = TextEncoder(bundle, engine.manifest, engine_options(settings))
    app = create_app(engine, settings, version="0", shutdown=Shutdown())
    files = [("audio", ("clip.wav", wav(clip))), *[("query", (None, query)) for query in QUERIES]]
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://earmark") as client:
            response = await client.post("/localize", files=files, data={"curves": "similarity"})
        queries = text_encoder.encode(QUERIES).embeddings
    finally:
        engine.close()
        text_encoder.close()
    answer = response.raise_for_status().json()
    similarities = np.array([result["similarity"] for result in answer["results"]])

    model, encoder, _ = load_checkpoint(checkpoint)
    round_to_half(model)
    localizer = CheckpointLocalizer(model, encoder, 0.36, 0.4)
    resampled = soxr.resample(clip, 16_000, model.audio.sample_rate_hz).astype(np.float32)
    expected = scoring.similarity(localizer.embed(resampled), queries)
    assert answer["hop_s"] == model.audio.grid.hop_s
    assert similarities.shape == expected.shape
    assert float(np.ptp(expected, axis=1).min()) > 0.02
    np.testing.assert_allclose(similarities, expected, atol=2e-3)
    assert (queries * localizer.encode_queries(QUERIES).embeddings).sum(axis=1) == pytest.approx(1, abs=0.01)
