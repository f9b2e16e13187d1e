"""Writes a bundle with an added sound: a copy of another bundle with a changed text graph, manifest and model card."""

import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from service.core.manifest import MANIFEST, MODEL_CARD, TEXT_GRAPH, file_sha256, verify_bundle
from training.own_sounds.learning import LearntQuery
from training.own_sounds.text_graph import Wordings, add_query


class FolderNotEmptyError(ValueError):
    """The folder of the new bundle exists already and would be overwritten."""


@dataclass(frozen=True, slots=True)
class AddedSound:
    """A learnt sound.

    Attributes:
        name: Name of the sound.
        n_recordings: Number of recordings that it was learnt from.
        wordings: Which queries mean the sound.
        learnt: The query of the sound.
    """

    name: str
    n_recordings: int
    wordings: Wordings
    learnt: LearntQuery


def check_writable(out: Path) -> None:
    """Checks that a new bundle would overwrite nothing.

    Raises:
        FolderNotEmptyError: `out` is a file, or a folder that is not empty.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FolderNotEmptyError(f"{out} exists already; a new or empty folder is accepted")


def write_with_sound(source: Path, sound: AddedSound, out: Path) -> None:
    """Writes the bundle in `source` with an added sound to the folder `out`.

    The audio graphs are unchanged, so embeddings and indexed recordings stay valid.

    Raises:
        FolderNotEmptyError: `out` is a file, or a folder that is not empty.
        EarmarkError: `source` is not a complete bundle.
    """
    check_writable(out)
    manifest = verify_bundle(source)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".bundle-") as partial:
        folder = Path(partial) / "bundle"
        folder.mkdir()
        for name in manifest.files:
            shutil.copyfile(source / name, folder / name)
        graph = onnx.load(source / TEXT_GRAPH)
        add_query(graph, sound.wordings, sound.learnt)
        onnx.save(graph, folder / TEXT_GRAPH)
        with (folder / MODEL_CARD).open("a", encoding="utf-8") as card:
            card.write(_card_section(sound))
        changed = replace(
            manifest,
            version=f"{manifest.version}+{_slug(sound.name)}",
            files={name: file_sha256(folder / name) for name in manifest.files},
            trained_on=(
                *manifest.trained_on,
                f"{sound.n_recordings} recordings of {sound.name!r}, by training.add_sound",
            ),
        )
        (folder / MANIFEST).write_text(changed.to_json(), encoding="utf-8")
        verify_bundle(folder)
        if out.exists():
            out.rmdir()
        folder.replace(out)


def _slug(name: str) -> str:
    """A name as a part of a version: lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "sound"


def _card_section(sound: AddedSound) -> str:
    return (
        f"\n## Added sound: {sound.name}\n\n"
        f"Learnt from {sound.n_recordings} recordings with `python -m training.add_sound`. The audio graphs are unchanged. "
        f"Queries whose embedding has a cosine above {sound.wordings.lowest:.3f} with that of a wording of this sound "
        "have a learnt embedding; all other queries have the embedding that they had before.\n"
    )
