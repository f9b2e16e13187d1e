"""How formats with one file a recording lie in a folder: the file is named after the recording."""

from collections.abc import Iterable, Iterator
from pathlib import Path


def annotation_files(source: Path, endings: Iterable[str], extension: str) -> Iterator[tuple[Path, str]]:
    """The annotation files of a folder, or the one file, each with the recording that its name names.

    `endings` are what follows the recording's name in the file's, the longest first; `extension` is what the program
    left out of it, such as `.wav`.

    Raises:
        ValueError: there are no such files in the folder.
        FileNotFoundError: there is no such folder or file.
    """
    folder = source if source.is_dir() else source.parent
    files = sorted(file for file in folder.rglob("*.txt") if file.is_file()) if source.is_dir() else [source]
    if not files:
        raise ValueError(f"{source} holds no .txt file")
    for file in files:
        name = file.relative_to(folder).as_posix()
        ending = next((ending for ending in endings if name.endswith(ending)), "")
        yield file, name.removesuffix(ending) + extension


def annotation_file(folder: Path, recording: str, ending: str) -> Path:
    """The file for a recording's annotations; its folder is made."""
    file = folder / f"{recording}{ending}"
    file.parent.mkdir(parents=True, exist_ok=True)
    return file
