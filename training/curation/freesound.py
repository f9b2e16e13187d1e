"""Collects recordings from Freesound: `python -m training.curation.freesound ontology.toml OUT`.

The ontology is a TOML file with two levels: classes and their subclasses. Each subclass has a list of search texts and ids of
sounds::

    [Animals]
    "Dog" = ["dog barking", "puppy whining", 123456]

The API token is read from `FREESOUND_TOKEN` (https://freesound.org/apiv2/apply). OUT becomes a CSV pack (`training.data.pack`):
`audio/` holds at most 30 s of each recording, and `clips.csv` its subclass (as label), author, licence and web page. A
recording that matches several subclasses belongs to the first. The recordings of a tenth of the authors form the split `val`.
To resume a run that was interrupted or reached a limit, run the same command again.
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
from training.curation.regions.region import single_line
from training.curation.retries import ServerUnavailableError
from training.data.pack import TABLE
from training.data.tables import write_table

logger = logging.getLogger(__name__)
FILTER = "duration:[0.5 TO 300]"
VALIDATION_FRACTION = 0.1
FAILURES_IN_A_ROW = 5
COLUMNS = (
    "path", "label", "split", "source", "group", "title", "author", "licence",
    "url", "class", "keywords", "description", "start_time_s", "end_time_s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class OntologyQuery:
    """A search text or the id of a sound, with its class and subclass in the ontology."""

    class_: str
    subclass: str
    query: str | int


def read_ontology(file: Path) -> list[OntologyQuery]:
    """Reads the queries of an ontology, in its order.

    Raises:
        ValueError: The file is not TOML, or does not have two levels with lists of texts and ids.
    """
    try:
        classes = tomllib.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    ontology_queries = []
    for class_, subclasses in classes.items():
        if not isinstance(subclasses, dict):
            raise ValueError(f"{file}: {class_} = {subclasses!r}; a table of subclasses is accepted")
        for subclass, queries in subclasses.items():
            if not isinstance(queries, list) or not all(type(q) in (str, int) and q for q in queries):
                raise ValueError(f"{file}: {class_}.{subclass} = {queries!r}; a list of texts and ids is accepted")
            ontology_queries += [OntologyQuery(class_, subclass, query) for query in queries]
    return ontology_queries


@dataclass(frozen=True, slots=True)
class Collection:
    """The folder of a CSV pack that is being collected.

    Attributes:
        folder: the folder.
        searches: the searches to make, each with the fields of an OntologyQuery, and `filter` and `per_query`.
        search_log: the searches made so far, with the sounds that each returned.
        sound_log: for each sound handled so far, the part that was kept or the reason why it was left out.
    """

    folder: Path
    searches: tuple[dict[str, Any], ...]
    search_log: Journal
    sound_log: Journal

    @classmethod
    def open(cls, folder: Path, queries: Sequence[OntologyQuery], filter_: str, per_query: int) -> "Collection":
        """Opens the folder, or creates it.

        Args:
            folder: the folder of the pack.
            queries: the queries of the ontology.
            filter_: the search filter of the API.
            per_query: largest number of sounds taken from each text search.
        """
        (folder / "audio").mkdir(parents=True, exist_ok=True)
        searches = tuple({**asdict(query), "filter": filter_, "per_query": per_query} for query in queries)
        return cls(folder, searches, Journal(folder / "searches.jsonl"), Journal(folder / "sounds.jsonl"))

    def search(self, freesound: Freesound) -> None:
        """Makes the searches that were not made before."""
        completed = [entry["search"] for entry in self.search_log.entries]
        for search in tqdm([search for search in self.searches if search not in completed], desc="searches"):
            query = search["query"]
            if isinstance(query, int):
                sounds = [sound] if (sound := freesound.sound(query)) else []
            else:
                sounds = list(itertools.islice(freesound.search(query, search["filter"]), search["per_query"]))
            if not sounds:
                logger.warning("no sound matches %r of %s", query, search["subclass"])
            self.search_log.add({"search": search, "sounds": [sound.model_dump(by_alias=True) for sound in sounds]})

    def matching_sounds(self) -> Iterator[tuple[dict[str, Any], Sound]]:
        """Yields each sound once, with the first search that returned it."""
        seen: set[int] = set()
        for search in self.searches:
            entries = (entry for entry in self.search_log.entries if entry["search"] == search)
            for sound in (Sound.model_validate(sound) for entry in entries for sound in entry["sounds"]):
                if sound.id not in seen:
                    seen.add(sound.id)
                    yield search, sound

    def download(self, freesound: Freesound) -> None:
        """Downloads and prepares all sounds that are neither in the folder nor logged as left out.

        Raises:
            ServerUnavailableError: Some previews could not be downloaded. The method tries all other sounds first, but
                gives up after FAILURES_IN_A_ROW consecutive failures.
        """
        done = {entry["id"] for entry in self.sound_log.entries if "reason" in entry} | self.kept().keys()
        failed: list[str] = []
        in_a_row = 0
        for sound in tqdm([sound for _, sound in self.matching_sounds() if sound.id not in done], desc="recordings"):
            try:
                self._download(freesound, sound)
                in_a_row = 0
            except ServerUnavailableError as error:
                failed.append(str(error))
                in_a_row += 1
                if in_a_row == FAILURES_IN_A_ROW:
                    break
        if failed:
            raise ServerUnavailableError(
                f"{len(failed)} previews could not be downloaded; the last error: {failed[-1]}"
            )

    def _download(self, freesound: Freesound, sound: Sound) -> None:
        preview, audio = self.folder / "preview.part", self.folder / "audio.part"
        try:
            freesound.download(sound, preview)
            kept = prepare(preview, audio, sound.duration)
        except ValueError as error:
            logger.warning("%s: %s", sound.url, error)
            self.sound_log.add({"id": sound.id, "reason": str(error)})
        else:
            audio.replace(self.path(sound.id))
            self.sound_log.add({"id": sound.id, "start_s": kept.start_s, "end_s": kept.end_s})
        finally:
            preview.unlink(missing_ok=True)
            audio.unlink(missing_ok=True)

    def path(self, sound_id: int) -> Path:
        """Path of a sound's recording."""
        return self.folder / "audio" / f"{sound_id}.flac"

    def kept(self) -> dict[int, dict[str, Any]]:
        """The log entries of all sounds whose recordings exist, by id of the sound."""
        return {e["id"]: e for e in self.sound_log.entries if "start_s" in e and self.path(e["id"]).is_file()}

    def write_table(self) -> None:
        """Writes `clips.csv` with all recordings that exist and belong to a search."""
        kept = self.kept()
        rows = [
            self._row(search, sound, kept[sound.id]) for search, sound in self.matching_sounds() if sound.id in kept
        ]
        write_table(self.folder / TABLE, COLUMNS, rows)

    def _row(self, search: dict[str, Any], sound: Sound, part: dict[str, Any]) -> dict[str, str]:
        path = self.path(sound.id).relative_to(self.folder).as_posix()
        split = "val" if hash_fraction(sound.username) < VALIDATION_FRACTION else "train"
        cells = (
            path, search["subclass"], split, "freesound", sound.username, sound.name, sound.username, sound.license,
            sound.url, search["class_"], ", ".join(sound.tags), single_line(sound.description), part["start_s"], part["end_s"],
        )  # fmt: skip
        return {column: str(cell) for column, cell in zip(COLUMNS, cells, strict=True)}


def hash_fraction(name: str) -> float:
    """Maps a name to a number that is uniform in [0, 1) and the same in every run."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2**64


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.curation.freesound", description="Collect recordings from Freesound as a CSV pack."
    )
    parser.add_argument(
        "ontology", type=Path, help="TOML file with classes, subclasses, search texts and ids of sounds"
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the CSV pack to create or continue")
    parser.add_argument(
        "--per-query", type=int, default=100, help="largest number of recordings taken from each search"
    )
    parser.add_argument(
        "--filter",
        default=FILTER,
        help="search filter of the API, for example 'duration:[1 TO 60] license:\"Attribution\"'",
    )
    parser.add_argument("--per-minute", type=int, default=60, help="requests per minute that your token allows")
    parser.add_argument("--per-day", type=int, default=2000, help="requests per day that your token allows")
    parser.add_argument("--url", default=URL, help="URL of another server with the same API")
    options = parser.parse_args(arguments)
    if not (token := os.environ.get("FREESOUND_TOKEN")):
        sys.exit("FREESOUND_TOKEN is not set; set it to your API token from https://freesound.org/apiv2/apply")
    try:
        queries = read_ontology(options.ontology)
        collection = Collection.open(options.out, queries, options.filter, options.per_query)
        limit = RateLimit(Journal(options.out / "requests.jsonl"), options.per_minute, options.per_day)
        freesound = Freesound(token, limit, url=options.url)
        try:
            collection.search(freesound)
            collection.download(freesound)
        finally:
            collection.write_table()
    except ServerUnavailableError as error:
        sys.exit(f"{error}\nTo continue from here, run the same command again.")
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    left_out = sum("reason" in entry for entry in collection.sound_log.entries)
    print(
        f"{len(collection.kept())} recordings in {options.out}, {left_out} left out (reasons in {collection.sound_log.file})"
    )


if __name__ == "__main__":
    main()
