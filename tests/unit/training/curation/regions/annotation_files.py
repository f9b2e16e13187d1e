"""Annotation files for tests."""

from pathlib import Path


def write_file(folder: Path, content: str, name: str = "clip.txt") -> Path:
    """Writes a text file with its line ends unchanged, and creates its folder."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8", newline="")
    return file
