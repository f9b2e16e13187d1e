"""WavCaps (arXiv 2303.17395): recordings of four sources, each with one caption that a language model wrote.

The folder, the tables as https://huggingface.co/datasets/cvssp/WavCaps publishes them:

    json_files/AudioSet_SL/as_final.json, json_files/BBC_Sound_Effects/bbc_final.json,
    json_files/FreeSound/fsd_final.json, json_files/SoundBible/sb_final.json
                                {"num_captions_per_audio": 1, "data": [{"id", "caption", "duration", ...}, ...]}
    json_files/blacklist/*.json {"AudioSet": [id, ...], "FreeSound": [id, ...]} : recordings of other sets' test splits
    audio/<source>/             what `Zip_files/<source>` unpacks to, in any subfolder: <id>.flac, or another format;
                                AudioSet's ids end in `.wav`

Sources whose table is there are read. Everything is `train`; what a blacklist names is left out, so that AudioCaps,
Clotho, ESC-50, UrbanSound8K and VGGSound stay unseen (a list that is not wanted can be deleted).
"""

import logging
from collections import defaultdict
from pathlib import Path
from typing import Any

from training.data.audio_files import AudioIndex
from training.data.example import Example
from training.data.issues import DataIssues
from training.data.tables import existing_tables, read_json, required_text

logger = logging.getLogger(__name__)
TABLES = {
    "AudioSet_SL/as_final.json": "AudioSet_SL",
    "BBC_Sound_Effects/bbc_final.json": "BBC_Sound_Effects",
    "FreeSound/fsd_final.json": "FreeSound",
    "SoundBible/sb_final.json": "SoundBible",
}


def read_wavcaps(folder: Path, issues: DataIssues) -> list[Example]:
    """The recordings of all sources that no blacklist names.

    Raises:
        FileNotFoundError: no table is there.
        ValueError: a table or a blacklist is not as published.
    """
    blacklist, examples, left_out = _blacklist(folder / "json_files" / "blacklist"), list[Example](), 0
    for table, source in existing_tables(folder / "json_files", TABLES).items():
        audio, unwanted = AudioIndex(folder / "audio" / source), blacklist[source.removesuffix("_SL")]
        for number, entry in enumerate(_entries(table)):
            with issues.record_errors(f"{table}, entry {number}"):
                name, caption = required_text(entry, "id").removesuffix(".wav"), required_text(entry, "caption")
                if name in unwanted:
                    left_out += 1
                else:
                    examples.append(Example(audio.find(name), "train", (caption,)))
    logger.info("WavCaps: %d recordings are left out because a blacklist names them", left_out)
    return examples


def _entries(table: Path) -> list[Any]:
    content = read_json(table)
    if not isinstance(content, dict) or not isinstance(content.get("data"), list):
        raise ValueError(f'{table} does not hold {{"data": [...]}}')
    return content["data"]


def _blacklist(folder: Path) -> dict[str, set[str]]:
    names: dict[str, set[str]] = defaultdict(set)
    for file in sorted(folder.glob("*.json")):
        lists = read_json(file)
        if not isinstance(lists, dict) or not all(isinstance(ids, list) for ids in lists.values()):
            raise ValueError(f"{file} holds no lists of ids by source")
        for source, ids in lists.items():
            names[source] |= {str(name).removesuffix(".wav") for name in ids}
    return names
