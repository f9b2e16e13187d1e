"""Collects recordings from Freesound: `python -m training.curation.freesound ontology.toml OUT`.

The ontology is a TOML file of two levels: for each class, its subclasses, each with what to search for, or with ids of sounds::

    [Animals]
    "Dog" = ["dog barking", "puppy whining", 123456]

The API token is read from `FREESOUND_TOKEN` (https://freesound.org/apiv2/apply). OUT becomes a CSV pack (`training.data`):
30 s at most of each recording in `audio/`, and `clips.csv` with its subclass, author, licence and page. A recording that two
subclasses find belongs to the first; a tenth of the authors is for validation. A run that was stopped, at whatever moment or
by a limit, goes on when the same command is given again.
"""

import argparse
import hashlib
import itertools
import logging
import os
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from training.curation.freesound_api import URL, Freesound, RateLimit, Sound
from training.curation.journal import Journal
from training.curation.preparation import prepare
from training.curation.regions.region import one_line
from training.curation.retries import ServerUnavailableError
from training.data.pack import TABLE
from training.data.tables import write_table

logger = logging.getLogger(__name__)
FILTER = "duration:[0.5 TO 300]"
VALIDATION_SHARE = 0.1
FAILURES_IN_A_ROW = 5
COLUMNS = (
    "path", "label", "split", "source", "group", "title", "author", "licence",
    "url", "class", "keywords", "description", "start_time_s", "end_time_s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for, words or an id, and where in the ontology it stands."""

    class_: str
    subclass: str
    query: str | int


def read_ontology(file: Path) -> list[Wanted]:
    """The searches of an ontology, in its order.

    Raises:
        ValueError: it is not TOML, or not of two levels with lists of words and ids.
    """
    try:
        classes = tomllib.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    wanted = []
    for class_, subclasses in classes.items():
        if not isinstance(subclasses, dict):
            raise ValueError(f"{file}: {class_} = {subclasses!r}; a table of subclasses is accepted")
        for subclass, queries in subclasses.items():
            if not isinstance(queries, list) or not all(type(q) in (str, int) and q for q in queries):
                raise ValueError(f"{file}: {class_}.{subclass} = {queries!r}; a list of words and ids is accepted")
            wanted += [Wanted(class_, subclass, query) for query in queries]
    return wanted


@dataclass(frozen=True, slots=True)
class Collection:
    """The folder that is filled: the searches that are wanted and those that were made, and what became of each sound."""

    folder: Path
    wanted: tuple[dict[str, Any], ...]
    searches: Journal
    sounds: Journal

    @classmethod
    def open(cls, folder: Path, wanted: Sequence[Wanted], filter_: str, per_query: int) -> "Collection":
        """Opens a folder, or makes it."""
        (folder / "audio").mkdir(parents=True, exist_ok=True)
        searches = tuple({**asdict(one), "filter": filter_, "per_query": per_query} for one in wanted)
        return cls(folder, searches, Journal(folder / "searches.jsonl"), Journal(folder / "sounds.jsonl"))

    def search(self, freesound: Freesound) -> None:
        """Makes the searches that were not made yet."""
        made = [entry["search"] for entry in self.searches.entries]
        for search in tqdm([search for search in self.wanted if search not in made], desc="searches"):
            query = search["query"]
            if isinstance(query, int):
                sounds = [sound] if (sound := freesound.sound(query)) else []
            else:
                sounds = list(itertools.islice(freesound.search(query, search["filter"]), search["per_query"]))
            if not sounds:
                logger.warning("nothing found for %r of %s", query, search["subclass"])
            self.searches.add({"search": search, "sounds": [sound.model_dump(by_alias=True) for sound in sounds]})

    def found(self) -> Iterator[tuple[dict[str, Any], Sound]]:
        """Every sound once, with the first of the searches that found it."""
        seen: set[int] = set()
        for search in self.wanted:
            entries = (entry for entry in self.searches.entries if entry["search"] == search)
            for sound in (Sound.model_validate(sound) for entry in entries for sound in entry["sounds"]):
                if sound.id not in seen:
                    seen.add(sound.id)
                    yield search, sound

    def download(self, freesound: Freesound) -> None:
        """Downloads and prepares what is neither there nor known to be of no use.

        Raises:
            ServerUnavailableError: some previews cannot be had now; all others were tried, unless many in a row failed.
        """
        settled = {entry["id"] for entry in self.sounds.entries if "reason" in entry} | self.kept().keys()
        failed: list[str] = []
        in_a_row = 0
        for sound in tqdm([sound for _, sound in self.found() if sound.id not in settled], desc="recordings"):
            try:
                self._download(freesound, sound)
                in_a_row = 0
            except ServerUnavailableError as error:
                failed.append(str(error))
                in_a_row += 1
                if in_a_row == FAILURES_IN_A_ROW:
                    break
        if failed:
            raise ServerUnavailableError(f"{len(failed)} previews could not be fetched, the last: {failed[-1]}")

    def _download(self, freesound: Freesound, sound: Sound) -> None:
        preview, audio = self.folder / "preview.part", self.folder / "audio.part"
        try:
            freesound.download(sound, preview)
            kept = prepare(preview, audio, sound.duration)
        except ValueError as error:
            logger.warning("%s: %s", sound.url, error)
            self.sounds.add({"id": sound.id, "reason": str(error)})
        else:
            audio.replace(self.path(sound.id))
            self.sounds.add({"id": sound.id, "start_s": kept.start_s, "end_s": kept.end_s})
        finally:
            preview.unlink(missing_ok=True)
            audio.unlink(missing_ok=True)

    def path(self, sound_id: int) -> Path:
        """Where the recording of a sound lies."""
        return self.folder / "audio" / f"{sound_id}.flac"

    def kept(self) -> dict[int, dict[str, Any]]:
        """The sounds whose recordings are there, and which part of them."""
        return {e["id"]: e for e in self.sounds.entries if "start_s" in e and self.path(e["id"]).is_file()}

    def write_table(self) -> None:
        """Writes `clips.csv` over what is there."""
        kept = self.kept()
        rows = [self._row(search, sound, kept[sound.id]) for search, sound in self.found() if sound.id in kept]
        write_table(self.folder / TABLE, COLUMNS, rows)

    def _row(self, search: dict[str, Any], sound: Sound, part: dict[str, Any]) -> dict[str, str]:
        path = self.path(sound.id).relative_to(self.folder).as_posix()
        split = "val" if share(sound.username) < VALIDATION_SHARE else "train"
        cells = (
            path, search["subclass"], split, "freesound", sound.username, sound.name, sound.username, sound.license,
            sound.url, search["class_"], ", ".join(sound.tags), one_line(sound.description), part["start_s"], part["end_s"],
        )  # fmt: skip
        return {column: str(cell) for column, cell in zip(COLUMNS, cells, strict=True)}


def share(name: str) -> float:
    """A number in [0, 1) that a name always gets."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2**64


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.curation.freesound", description="Collect recordings from Freesound."
    )
    parser.add_argument("ontology", type=Path, help="a TOML file: class, subclass, searches and ids")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the CSV pack")
    parser.add_argument("--per-query", type=int, default=100, help="recordings taken of a search")
    parser.add_argument(
        "--filter", default=FILTER, help="the API's filter, as 'duration:[1 TO 60] license:\"Attribution\"'"
    )
    parser.add_argument("--per-minute", type=int, default=60, help="requests that your token allows in a minute")
    parser.add_argument("--per-day", type=int, default=2000, help="requests that it allows in a day")
    parser.add_argument("--url", default=URL, help="another server that speaks APIv2")
    options = parser.parse_args(arguments)
    if not (token := os.environ.get("FREESOUND_TOKEN")):
        sys.exit("FREESOUND_TOKEN is not set; it holds your API token, from https://freesound.org/apiv2/apply")
    try:
        wanted = read_ontology(options.ontology)
        collection = Collection.open(options.out, wanted, options.filter, options.per_query)
        limit = RateLimit(Journal(options.out / "requests.jsonl"), options.per_minute, options.per_day)
        freesound = Freesound(token, limit, url=options.url)
        try:
            collection.search(freesound)
            collection.download(freesound)
        finally:
            collection.write_table()
    except ServerUnavailableError as error:
        sys.exit(f"{error}\nThe same command goes on from here.")
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    left_out = sum("reason" in entry for entry in collection.sounds.entries)
    print(
        f"{len(collection.kept())} recordings in {options.out}, {left_out} left out ({collection.sounds.file} says why)"
    )


if __name__ == "__main__":
    main()
