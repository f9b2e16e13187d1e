"""Real wording of labels: phrases and captions that people wrote about other recordings, mapped to labels by rules.

`python -m training.data.phrases audiogrounding.csv audiocaps.csv --out training/data/captions/phrases.jsonl`

A text describes a label if its words, without the words of `NEUTRAL`, match the label's rule from beginning to end; so a text
that names another sound as well describes no label. The rules were written and their results were checked by hand. A table has
the column `phrase` or `caption`, and `split`; only rows of the split `train` are used. The 20 most frequent texts of a label are
kept, without the texts that the benchmarks search for.
"""

import argparse
import csv
import json
import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

from training.data.captions import FOLDER, read_label_captions

RULES = FOLDER / "phrase_rules.jsonl"
PHRASES = FOLDER / "phrases.jsonl"
HELD_OUT = (FOLDER / "validation.jsonl", FOLDER / "realistic.jsonl")
"""Files of the texts that the benchmarks search for."""
MOST_PHRASES = 20
"""The largest number of phrases of a label."""
MOST_WORDS = 9
NEUTRAL = frozenset(
    """a an the is are was be being been some something several multiple many few two three lots of lot and then very more
    loud loudly louder quiet quietly soft softly faint faintly steady steadily continuous continuously constant constantly
    repeated repeatedly repetitive repetitively occasional occasionally intermittent intermittently brief briefly
    sudden suddenly rapid rapidly slow slowly heavy heavily light lightly gentle gently strong strongly hard distant distantly
    distance nearby close far away background foreground in at from with to on near as heard can be sound sounds sounding
    noise noises make makes making made occurs occur occurring while time times once twice again another large small big little
    high low pitched it there outside outdoors indoors inside continually consistently""".split()  # noqa: SIM905 - readable
)
"""Words that say how, how often or where something is heard, but not what."""


def stripped(text: str) -> str:
    """A text in lower case without punctuation and neutral words.

    >>> stripped("A dog barks loudly in the distance.")
    'dog barks'
    """
    words = re.sub(r"[^a-z' -]+", " ", text.lower()).split()
    return " ".join(word for word in words if word not in NEUTRAL)


def read_rules(file: Path = RULES) -> dict[str, re.Pattern[str]]:
    """The rule of each label: the pattern that the stripped text has to match as a whole."""
    with file.open(encoding="utf-8") as lines:
        entries = [json.loads(line) for line in lines]
    return {entry["label"]: re.compile(entry["words"]) for entry in entries}


def phrases_of_labels(
    texts: Iterable[str], rules: Mapping[str, re.Pattern[str]], held_out: Container[str] = ()
) -> dict[str, list[str]]:
    """The most frequent texts of each label, in lower case without a full stop, most frequent first.

    A text that matches the rules of two labels describes both. Texts in `held_out` are left out.
    """
    counts = Counter(text.strip().rstrip(".").lower() for text in texts if len(text.split()) <= MOST_WORDS)
    phrases: dict[str, list[str]] = {label: [] for label in rules}
    for text, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        words = "" if text in held_out else stripped(text)
        for label, rule in rules.items():
            if len(phrases[label]) < MOST_PHRASES and rule.fullmatch(words):
                phrases[label].append(text)
    return phrases


def held_out_captions(files: Sequence[Path] = HELD_OUT) -> frozenset[str]:
    """The texts of all labels that training must not use, because the benchmarks search for them, in lower case."""
    entries = [entry for file in files for entry in read_label_captions(file).values()]
    return frozenset(text.lower() for entry in entries for text in entry.captions)


def read_phrases(file: Path = PHRASES) -> dict[str, tuple[str, ...]]:
    """The phrases of each label from a JSON Lines file with the keys `label` and `phrases`."""
    with file.open(encoding="utf-8") as lines:
        entries = [json.loads(line) for line in lines]
    return {entry["label"]: tuple(entry["phrases"]) for entry in entries}


def read_texts(file: Path) -> list[str]:
    """The phrases or captions of the rows of the split `train` of a CSV file.

    Raises:
        ValueError: the table has neither a column `phrase` nor a column `caption`.
    """
    with file.open(newline="", encoding="utf-8") as lines:
        rows = csv.DictReader(lines)
        column = next((name for name in ("phrase", "caption") if name in (rows.fieldnames or ())), None)
        if column is None:
            raise ValueError(f"{file} has the columns {rows.fieldnames}; a column 'phrase' or 'caption' is accepted")
        return [row[column] for row in rows if row.get("split", "train") == "train"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.data.phrases", description="Map real wording to labels.")
    parser.add_argument("tables", type=Path, nargs="+", help="CSV files with a column phrase or caption, and split")
    parser.add_argument("--rules", type=Path, default=RULES, help="JSON Lines file of the rules (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="JSON Lines file to write the phrases to")
    options = parser.parse_args(arguments)
    texts = [text for table in options.tables for text in read_texts(table)]
    phrases = phrases_of_labels(texts, read_rules(options.rules), held_out_captions())
    lines = (json.dumps({"label": label, "phrases": found}) + "\n" for label, found in phrases.items() if found)
    options.out.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
