"""Finds the audio files of a data set by name. Format and subfolder are ignored, because copies of a data set differ in both."""

import os
from pathlib import Path

SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".aif", ".aiff"})
"""File name endings of the audio formats that libsndfile reads. It does not read `.m4a` and `.webm`."""


def audio_files(folder: Path) -> list[Path]:
    """Lists all audio files under a folder, sorted by path. Symbolic links to folders are followed."""
    paths = (Path(root, name) for root, _, names in os.walk(folder, followlinks=True) for name in names)
    return sorted(path for path in paths if path.suffix.lower() in SUFFIXES)


class AudioIndex:
    """The audio files under a folder, by stem (the file name without its ending).

    If several files have the same stem, the index holds the first of them in path order.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_stem: dict[str, Path] = {}
        for path in audio_files(folder):
            self._by_stem.setdefault(path.stem, path)

    def find(self, *stems: str) -> Path:
        """Returns the file of the first stem that is in the index.

        If no stem is in the index, the result is the path `<folder>/<first stem>.*`, which does not exist and serves as a
        readable name of the missing file.
        """
        existing = (self._by_stem[stem] for stem in stems if stem in self._by_stem)
        return next(existing, self._folder / f"{stems[0]}.*")
