"""Export of a checkpoint to a bundle, which is written to a temporary folder, verified, and then moved into place."""

import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from model_export.errors import BundleTooLarge, FolderIsNoBundle
from model_export.graphs import (
    TextGraph,
    export_audio,
    export_cpu_audio,
    export_text,
    gains_from_cpu_graph,
    round_to_half,
)
from model_export.verification import verify
from service.core.manifest import (
    AUDIO_GRAPH,
    BUNDLE_FILES,
    CPU_AUDIO_GRAPH,
    MANIFEST,
    MODEL_CARD,
    OPTIONAL_FILES,
    SHARED_SIGMOID_FORMAT,
    TEXT_DEPENDENT_SIGMOID_FORMAT,
    TEXT_GRAPH,
    TOKENIZER,
    Manifest,
    file_sha256,
    verify_bundle,
)
from service.core.postprocessing import Postprocessing
from service.core.presence import PresenceRule
from training.checkpoint import load_checkpoint
from training.evaluation.localizers import EXTENT_RATIO, MEDIAN_FILTER_S, postprocessing_at, trained_calibration
from training.model import LanguageAudioModel
from training.recipe import Recipe
from training.towers.choice import tower_class
from training.towers.text import encoder_folder, encoder_licence

UNCALIBRATED_THRESHOLD = 0.5


def write_bundle(checkpoint: Path, calibration: Path | None, card: Path, out: Path, max_bytes: int) -> dict[str, float]:
    """Writes the bundle of a checkpoint to the folder `out`, which it replaces.

    Args:
        checkpoint: Checkpoint of `training.train`; its averaged weights are exported.
        calibration: Calibration of `training.calibrate`; without it, the bundle has the trained sigmoid (see
            `trained_calibration`) and a threshold of 0.5.
        card: The model card that is copied into the bundle.
        out: Folder of the bundle: it does not exist yet, is empty, or holds a bundle.
        max_bytes: Largest accepted size of all files together.

    Returns:
        The largest difference between torch and the graphs in each comparison of `verify`.

    Raises:
        ExportError: `out` holds something other than a bundle, or the bundle failed verification; `out` is unchanged.
        FileNotFoundError: An input file does not exist.
    """
    check_replaceable(out)
    model, encoder, recipe = load_checkpoint(checkpoint)
    values: dict[str, Any] = json.loads(calibration.read_text()) if calibration else asdict(trained_calibration(model))
    round_to_half(model)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".bundle-") as partial:
        folder = Path(partial) / "bundle"
        folder.mkdir()
        shutil.copyfile(card, folder / MODEL_CARD)
        shutil.copyfile(encoder_folder(recipe.text.encoder) / TOKENIZER, folder / TOKENIZER)
        export_audio(model, folder / AUDIO_GRAPH)
        if gains_from_cpu_graph(model):
            export_cpu_audio(model, folder / CPU_AUDIO_GRAPH)
        export_text(TextGraph(encoder, model), folder / TEXT_GRAPH)
        manifest = make_manifest(recipe, model, values, folder)
        (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
        differences = verify(folder, verify_bundle(folder), model, encoder)
        check_size(folder, max_bytes)
        if out.exists():
            shutil.rmtree(out)
        folder.replace(out)
    return differences


def check_replaceable(out: Path) -> None:
    """Raises FolderIsNoBundle if `out` holds something other than a bundle, which would be lost."""
    if out.is_symlink() or out.is_file():
        raise FolderIsNoBundle(out, "is a link" if out.is_symlink() else "is a file")
    names = sorted(file.name for file in out.iterdir()) if out.exists() else []
    if names and MANIFEST not in names:
        raise FolderIsNoBundle(out, f"holds {', '.join(names[:3])}{' and more' if names[3:] else ''}, no {MANIFEST},")


def check_size(folder: Path, max_bytes: int) -> None:
    """Raises BundleTooLarge if the files in `folder` together are larger than `max_bytes`."""
    size = sum(file.stat().st_size for file in folder.iterdir())
    if size > max_bytes:
        raise BundleTooLarge(size, max_bytes)


def make_manifest(recipe: Recipe, model: LanguageAudioModel, calibration: dict[str, Any], folder: Path) -> Manifest:
    """Makes the manifest of a bundle whose other files are in `folder` already."""
    calibrated, audio, text = calibration.get("postprocessing"), model.audio, recipe.text
    uncalibrated = postprocessing_at(UNCALIBRATED_THRESHOLD, MEDIAN_FILTER_S, EXTENT_RATIO)
    return Manifest(
        format_version=TEXT_DEPENDENT_SIGMOID_FORMAT if model.own_sigmoid else SHARED_SIGMOID_FORMAT,
        name=recipe.name,
        version=recipe.version,
        sample_rate_hz=audio.sample_rate_hz,
        hop_samples=audio.hop_samples,
        dimension=model.dimension,
        window_frames=audio.window_frames,
        overlap_frames=audio.overlap_frames,
        scale=calibration["scale"],
        bias=calibration["bias"],
        postprocessing=Postprocessing(**calibrated) if calibrated else uncalibrated,
        max_query_tokens=text.max_tokens,
        query_normalization=text.query_normalization,
        query_normalizer_version=text.query_normalizer_version,
        files={name: file_sha256(folder / name) for name in _files_of(folder)},
        licences=licences(recipe),
        presence=PresenceRule(**calibration["presence"]) if calibration.get("presence") else None,
        trained_on=(f"recipe {recipe.name} {recipe.version}: see MODEL_CARD.md",),
    )


def _files_of(folder: Path) -> tuple[str, ...]:
    """Names of the files that the manifest lists."""
    return (*BUNDLE_FILES, *(name for name in OPTIONAL_FILES if (folder / name).exists()))


def licences(recipe: Recipe) -> tuple[str, ...]:
    """Licences of the model, and of the models and weights from which it was made.

    The licence of the public weights of an audio tower is listed only if the run started from them, or from an earlier
    model, which may itself have started from them.
    """
    audio = (tower_class(recipe.audio).licence,) if recipe.pretrained or recipe.start else ()
    return ("Apache-2.0: this model", *audio, encoder_licence(recipe.text.encoder))
