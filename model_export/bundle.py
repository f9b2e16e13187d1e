"""Checkpoint to bundle: written beside, verified, and only then moved into place."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from model_export.errors import BundleTooLarge, FolderIsNoBundle
from model_export.graphs import TextTower, export_audio, export_text, round_to_half
from model_export.verification import verify
from service.core.manifest import (
    AUDIO_GRAPH,
    BUNDLE_FILES,
    FORMAT_VERSION,
    MANIFEST,
    MODEL_CARD,
    TEXT_GRAPH,
    TOKENIZER,
    Manifest,
    file_sha256,
    verify_bundle,
)
from service.core.postprocessing import Postprocessing
from training.checkpoint import load_checkpoint
from training.evaluation.localizers import EXTENT_RATIO, MEDIAN_FILTER_S, postprocessing_at
from training.model import LanguageAudioModel
from training.recipe import Recipe
from training.towers.choice import tower_class
from training.towers.text import encoder_folder, encoder_licence

UNCALIBRATED_THRESHOLD = 0.5


def write_bundle(checkpoint: Path, calibration: Path | None, card: Path, out: Path, max_bytes: int) -> dict[str, float]:
    """Writes the bundle of a checkpoint to the folder `out`, which it replaces.

    Args:
        checkpoint: of `training.train`; its averaged weights are taken.
        calibration: of `training.calibrate`; without it, the trained scale and bias and a threshold of 0.5.
        card: the model card that goes into the bundle.
        out: where the bundle shall be: a folder that is not there yet, is empty, or holds a bundle.
        max_bytes: what its files together may take.

    Returns:
        The largest differences between torch and the graphs.

    Raises:
        ExportError: `out` holds something else than a bundle, or the bundle failed verification; `out` is as it was.
        FileNotFoundError: an input is not there.
    """
    check_replaceable(out)
    model, encoder, recipe = load_checkpoint(checkpoint)
    trained = {"scale": float(model.scale.detach()), "bias": float(model.bias.detach())}
    values: dict[str, Any] = json.loads(calibration.read_text()) if calibration else trained
    round_to_half(model)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".bundle-") as partial:
        folder = Path(partial) / "bundle"
        folder.mkdir()
        shutil.copyfile(card, folder / MODEL_CARD)
        shutil.copyfile(encoder_folder(recipe.text.encoder) / TOKENIZER, folder / TOKENIZER)
        export_audio(model, folder / AUDIO_GRAPH)
        export_text(TextTower(encoder, model), folder / TEXT_GRAPH)
        manifest = make_manifest(recipe, model, values, folder)
        (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
        differences = verify(folder, verify_bundle(folder), model, encoder)
        check_size(folder, max_bytes)
        if out.exists():
            shutil.rmtree(out)
        folder.replace(out)
    return differences


def check_replaceable(out: Path) -> None:
    """Raises FolderIsNoBundle if something else than a bundle would be lost at `out`."""
    if out.is_symlink() or out.is_file():
        raise FolderIsNoBundle(out, "is a link" if out.is_symlink() else "is a file")
    names = sorted(file.name for file in out.iterdir()) if out.exists() else []
    if names and MANIFEST not in names:
        raise FolderIsNoBundle(out, f"holds {', '.join(names[:3])}{' and more' if names[3:] else ''}, no {MANIFEST},")


def check_size(folder: Path, max_bytes: int) -> None:
    """Raises BundleTooLarge if the files in `folder` take more."""
    size = sum(file.stat().st_size for file in folder.iterdir())
    if size > max_bytes:
        raise BundleTooLarge(size, max_bytes)


def make_manifest(recipe: Recipe, model: LanguageAudioModel, calibration: dict[str, Any], folder: Path) -> Manifest:
    """The manifest of the files in `folder`."""
    given, audio, text = calibration.get("postprocessing"), model.audio, recipe.text
    uncalibrated = postprocessing_at(UNCALIBRATED_THRESHOLD, MEDIAN_FILTER_S, EXTENT_RATIO)
    return Manifest(
        format_version=FORMAT_VERSION,
        name=recipe.name,
        version=recipe.version,
        sample_rate_hz=audio.sample_rate_hz,
        hop_samples=audio.hop_samples,
        dimension=model.dimension,
        window_frames=audio.window_frames,
        overlap_frames=audio.overlap_frames,
        scale=calibration["scale"],
        bias=calibration["bias"],
        postprocessing=Postprocessing(**given) if given else uncalibrated,
        max_query_tokens=text.max_tokens,
        query_normalization=text.query_normalization,
        files={name: file_sha256(folder / name) for name in BUNDLE_FILES},
        licences=licences(recipe),
        trained_on=(f"recipe {recipe.name} {recipe.version}: see MODEL_CARD.md",),
    )


def licences(recipe: Recipe) -> tuple[str, ...]:
    """The licences of the model and of what it was made from: of public weights, only where the audio tower began with some.

    An earlier model that was the start may itself have begun with them, and counts as if it had.
    """
    audio = (tower_class(recipe.audio).licence,) if recipe.pretrained or recipe.start else ()
    return ("Apache-2.0: this model", *audio, encoder_licence(recipe.text.encoder))
