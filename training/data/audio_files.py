"""The audio files under a folder, found by name without the ending: copies of a data set differ in formats and subfolders."""

import os
from pathlib import Path

SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".aif", ".aiff", ".m4a", ".webm"})


def audio_files(folder: Path) -> list[Path]:
    """All audio files under a folder, in the order of their paths; linked folders are followed."""
    found = (Path(root, name) for root, _, names in os.walk(folder, followlinks=True) for name in names)
    return sorted(path for path in found if path.suffix.lower() in SUFFIXES)


class AudioIndex:
    """Files by their name without the ending; of several with one name, the first in the order of paths."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_stem: dict[str, Path] = {}
        for path in audio_files(folder):
            self._by_stem.setdefault(path.stem, path)

    def find(self, *stems: str) -> Path:
        """The file of the first of `stems` that there is; else where a WAV file of the first one would lie."""
        there = (self._by_stem[stem] for stem in stems if stem in self._by_stem)
        return next(there, self._folder / f"{stems[0]}.wav")
