"""WavCaps (arXiv 2303.17395): recordings of four sources, each with one caption that a language model wrote.

The folder, the tables as https://huggingface.co/datasets/cvssp/WavCaps publishes them:

    json_files/AudioSet_SL/as_final.json, json_files/BBC_Sound_Effects/bbc_final.json,
    json_files/FreeSound/fsd_final.json, json_files/SoundBible/sb_final.json
                                {"num_captions_per_audio": 1, "data": [{"id", "caption", "duration", ...}, ...]}
    json_files/blacklist/*.json {"AudioSet": [id, ...], "FreeSound": [id, ...]} : recordings of other sets' test splits
    audio/<source>/<id>.flac    the unpacked `Zip_files`, in a folder a source; AudioSet's ids end in `.wav`

Sources whose table is there are read. Everything is `train`; what a blacklist names is left out, so that AudioCaps,
Clotho, ESC-50, UrbanSound8K and VGGSound stay unseen (a list that is not wanted can be deleted).
"""

import logging
from collections import defaultdict
from pathlib import Path

from training.data.example import Example
from training.data.reading import Problems
from training.data.tables import list_of, read_json, tables_there, text_of

logger = logging.getLogger(__name__)
TABLES = {
    "AudioSet_SL/as_final.json": "AudioSet_SL",
    "BBC_Sound_Effects/bbc_final.json": "BBC_Sound_Effects",
    "FreeSound/fsd_final.json": "FreeSound",
    "SoundBible/sb_final.json": "SoundBible",
}


def read_wavcaps(folder: Path, problems: Problems) -> list[Example]:
    """The recordings of all sources that no blacklist names.

    Raises:
        FileNotFoundError: no table is there.
        ValueError: a table or a blacklist is not as published.
    """
    blacklist, examples, left_out = _blacklist(folder / "json_files" / "blacklist"), list[Example](), 0
    for table, source in tables_there(folder / "json_files", TABLES).items():
        for number, entry in enumerate(list_of(read_json(table), "data")):
            with problems.skipping(f"{table.name}, entry {number}"):
                name, caption = text_of(entry, "id").removesuffix(".wav"), text_of(entry, "caption")
                if name in blacklist[source.removesuffix("_SL")]:
                    left_out += 1
                else:
                    examples.append(Example(folder / "audio" / source / f"{name}.flac", "train", (caption,)))
    logger.info("WavCaps: %d recordings are left out because a blacklist names them", left_out)
    return examples


def _blacklist(folder: Path) -> dict[str, set[str]]:
    names: dict[str, set[str]] = defaultdict(set)
    for file in sorted(folder.glob("*.json")):
        lists = read_json(file)
        for source in lists:
            names[source] |= {str(name).removesuffix(".wav") for name in list_of(lists, source)}
    return names
