"""The data sets that can be read, by name."""

from collections.abc import Callable, Mapping
from pathlib import Path

from training.data.example import Example
from training.data.pack import read_table

Adapter = Callable[[Path], list[Example]]


def read_pack(folder: Path) -> list[Example]:
    """The recordings of a CSV pack; each is captioned with its label and, where there is one, its title."""
    return [Example(r.path, r.split, tuple(filter(None, (r.label, r.title)))) for r in read_table(folder)]


ADAPTERS: Mapping[str, Adapter] = {"pack": read_pack}


def read_dataset(name: str, folder: Path) -> list[Example]:
    """The examples of the data set `name` whose published files lie in `folder`.

    Raises:
        ValueError: there is no such data set, or its tables are not as published.
        FileNotFoundError: a table is not there.
    """
    if name not in ADAPTERS:
        raise ValueError(f"data set {name!r}; one of {', '.join(sorted(ADAPTERS))} is accepted")
    return ADAPTERS[name](folder)
