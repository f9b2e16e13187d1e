"""The English words that the service ships. To rewrite them: python -m tests.contract.english_words"""

import json
import re
from pathlib import Path

from service.core.foreign_words import FOREIGN_WORDS, NEUTRAL_WORDS
from service.core.query_language import ENGLISH_WORDS

CAPTIONS = Path(__file__).parents[2] / "training/data/captions"


def words_of_captions() -> list[str]:
    """Words of the labels, captions and phrases that models are trained or evaluated with, without those of other languages."""
    words: set[str] = set()
    for file in sorted(CAPTIONS.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            for text in (entry["label"], *entry.get("captions", ()), *entry.get("phrases", ())):
                words.update(
                    word for word in re.findall(r"[^\W\d_]+", text.lower()) if word.isascii() and len(word) > 1
                )
    return sorted(words.difference(NEUTRAL_WORDS, *FOREIGN_WORDS.values()))


def main() -> None:
    ENGLISH_WORDS.write_text("\n".join(words_of_captions()) + "\n")


if __name__ == "__main__":
    main()
