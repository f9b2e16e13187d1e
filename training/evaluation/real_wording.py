"""Real wording of labels: texts that people wrote about other recordings, mapped to labels by rules.

`python -m training.evaluation.real_wording CAPTIONS --out training/data/captions/realistic.jsonl`

CAPTIONS is a folder with `audiogrounding.csv`, `audiocaps.csv` and `tacos.csv`. The result is committed; the captions are not.
Of the first two tables, only rows of the splits `val` and `test` are used, so that training can use the rows of `train`. TACOS
has no splits there. A text that a file of training captions holds is left out.

A text describes a label if it contains the label's `words`, none of the words of `without`, and no connective such as "and" or
"while", behind which another sound may stand. The rules were written by hand, and the texts that they select were read and
checked by hand.
"""

import argparse
import csv
import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training import seeds
from training.data.captions import FOLDER

RULES = FOLDER / "realistic_rules.jsonl"
REAL_CAPTIONS = FOLDER / "realistic.jsonl"
TRAINING_CAPTIONS = ("labels.jsonl", "audioset.jsonl", "phrases.jsonl")
"""Files of texts that training may use; a file that does not exist is skipped."""
MOST_WORDS = 9
MOST_TEXTS = 12
"""Largest number of texts of a label that are kept. They are drawn at random."""
CONNECTIVES = re.compile(
    r"\b(?:and|as|while|when|with|without|followed|before|after|then|over|together|along|amid|during|accompanied|later|until|"
    r"including|precedes?|interrupted|underscores|overlaid|begins)\b|[,;/]"
)
TABLES = {"audiogrounding.csv": "phrase", "audiocaps.csv": "caption", "tacos.csv": "text"}


@dataclass(frozen=True, slots=True)
class WordingRule:
    """The texts of a label: they contain a match of `words` and none of `without`, both at the boundaries of words."""

    label: str
    words: re.Pattern[str]
    without: re.Pattern[str] | None

    def accepts(self, text: str) -> bool:
        """Whether a text in lower case describes the label."""
        if CONNECTIVES.search(text) or len(text.split()) > MOST_WORDS:
            return False
        return self.words.search(text) is not None and not (self.without and self.without.search(text))


def read_rules(file: Path = RULES) -> list[WordingRule]:
    """Reads the rules from a JSON Lines file with the keys `label`, `words` and optionally `without`."""
    with file.open(encoding="utf-8") as lines:
        entries = [json.loads(line) for line in lines]
    return [
        WordingRule(
            entry["label"],
            re.compile(rf"\b(?:{entry['words']})(?![\w-])"),
            re.compile(rf"\b(?:{entry['without']})\b") if entry.get("without") else None,
        )
        for entry in entries
    ]


def texts_by_label(texts: Iterable[str], rules: Sequence[WordingRule], known: frozenset[str]) -> dict[str, list[str]]:
    """At most MOST_TEXTS texts of each label, without `known` texts, in random but fixed order."""
    distinct = sorted({plain(text) for text in texts} - known)
    chosen: dict[str, list[str]] = {}
    for rule in rules:
        accepted = [text for text in distinct if rule.accepts(text)]
        order = np.random.default_rng(seeds.REALISTIC).permutation(len(accepted))
        if accepted:
            chosen[rule.label] = [accepted[i] for i in order[:MOST_TEXTS]]
    return chosen


def plain(text: str) -> str:
    """A text in lower case, without a full stop and without repeated spaces.

    >>> plain("A dog  barks.")
    'a dog barks'
    """
    return " ".join(text.lower().split()).rstrip(".")


def read_captions(folder: Path) -> list[str]:
    """The texts of the tables, without rows of the split `train`.

    Raises:
        FileNotFoundError: A table is missing.
    """
    texts: list[str] = []
    for name, column in TABLES.items():
        with (folder / name).open(newline="", encoding="utf-8") as lines:
            texts += [row[column] for row in csv.DictReader(lines) if row.get("split") != "train"]
    return texts


def read_training_captions(folder: Path = FOLDER) -> frozenset[str]:
    """All texts of the files of training captions."""
    texts: set[str] = set()
    for name in TRAINING_CAPTIONS:
        if (folder / name).exists():
            for line in (folder / name).read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                texts |= {plain(text) for text in (*entry.get("captions", ()), *entry.get("phrases", ()))}
    return frozenset(texts)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluation.real_wording", description="Map captions to labels."
    )
    parser.add_argument("captions", type=Path, help="folder of the tables of captions")
    parser.add_argument("--out", type=Path, required=True, help="file to write the texts of each label to")
    options = parser.parse_args(arguments)
    try:
        chosen = texts_by_label(read_captions(options.captions), read_rules(), read_training_captions())
        lines = [json.dumps({"label": label, "captions": texts}) for label, texts in chosen.items()]
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"the captions in {options.captions} cannot be mapped: {error}")
    sys.stdout.write(f"{sum(map(len, chosen.values()))} texts of {len(chosen)} labels\n")


if __name__ == "__main__":
    main()
