"""Names of annotation files in formats with one file per recording: each file is named after its recording."""

from collections.abc import Iterable, Iterator
from pathlib import Path


def annotation_files(source: Path, endings: Iterable[str], extension: str) -> Iterator[tuple[Path, str]]:
    """Yields the annotation files of a folder, or the single file, each with the name of its recording.

    Args:
        source: the folder or the file.
        endings: file name endings that follow the name of the recording, the longest first.
        extension: ending of the recording that the annotation program leaves out, such as `.wav`.

    Raises:
        ValueError: The folder contains no `.txt` file.
    """
    folder = source if source.is_dir() else source.parent
    files = sorted(file for file in folder.rglob("*.txt") if file.is_file()) if source.is_dir() else [source]
    if not files:
        raise ValueError(f"{source} holds no .txt file")
    for file in files:
        name = file.relative_to(folder).as_posix()
        ending = next((ending for ending in endings if name.endswith(ending)), "")
        yield file, name.removesuffix(ending) + extension


def annotation_path(folder: Path, recording: str, ending: str) -> Path:
    """Returns the path of a recording's annotation file, and creates its folder."""
    file = folder / f"{recording}{ending}"
    file.parent.mkdir(parents=True, exist_ok=True)
    return file
