"""WavCaps (arXiv 2303.17395): recordings of four sources, each with one caption that a language model wrote.

The folder holds the files of https://huggingface.co/datasets/cvssp/WavCaps:

- `json_files/AudioSet_SL/as_final.json`, `json_files/BBC_Sound_Effects/bbc_final.json`,
  `json_files/FreeSound/fsd_final.json` and `json_files/SoundBible/sb_final.json`: one table per source, of the form
  `{"num_captions_per_audio": 1, "data": [{"id", "caption", "duration", ...}, ...]}`. The ids of AudioSet end in `.wav`.
- `json_files/blacklist/*.json`: recordings that are in the test splits of other data sets, of the form
  `{"AudioSet": [id, ...], "FreeSound": [id, ...]}`.
- `audio/<source>/`: the unpacked archives of `Zip_files/<source>`. The recordings are `<id>.flac`, or another format,
  in any subfolder.

Sources without a table are skipped. All recordings are in the split `train`. Recordings on a blacklist are left out, so
that AudioCaps, Clotho, ESC-50, UrbanSound8K and VGGSound can be used as unseen test data. To train on such recordings
nevertheless, delete the blacklist.
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
    """Reads the recordings of all sources, without those on a blacklist.

    Raises:
        FileNotFoundError: No table exists.
        ValueError: A table or a blacklist does not have the published format.
    """
    blacklist, examples, n_left_out = _read_blacklists(folder / "json_files" / "blacklist"), list[Example](), 0
    for table, source in existing_tables(folder / "json_files", TABLES).items():
        audio, blacklisted = AudioIndex(folder / "audio" / source), blacklist[source.removesuffix("_SL")]
        for number, entry in enumerate(_entries(table)):
            with issues.record_errors(f"{table}, entry {number}"):
                name, caption = required_text(entry, "id").removesuffix(".wav"), required_text(entry, "caption")
                if name in blacklisted:
                    n_left_out += 1
                else:
                    examples.append(Example(audio.find(name), "train", (caption,)))
    logger.info("WavCaps: %d recordings are left out because they are on a blacklist", n_left_out)
    return examples


def _entries(table: Path) -> list[Any]:
    content = read_json(table)
    if not isinstance(content, dict) or not isinstance(content.get("data"), list):
        raise ValueError(f'{table} does not hold {{"data": [...]}}')
    return content["data"]


def _read_blacklists(folder: Path) -> dict[str, set[str]]:
    """Reads the blacklisted ids of each source."""
    names: dict[str, set[str]] = defaultdict(set)
    for file in sorted(folder.glob("*.json")):
        lists = read_json(file)
        if not isinstance(lists, dict) or not all(isinstance(ids, list) for ids in lists.values()):
            raise ValueError(f"{file} does not hold a list of ids for each source")
        for source, ids in lists.items():
            names[source] |= {str(name).removesuffix(".wav") for name in ids}
    return names
