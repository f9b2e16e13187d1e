"""How many texts reach a language model: each once, several in a request, several requests at a time, none lost."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from tqdm import tqdm

from training.curation.journal import Journal
from training.curation.language_model import LanguageModel, MalformedAnswerError

Text = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks `model`, `batch` texts in a request and `parallel` requests at a time; answers are kept in `cache`."""

    model: LanguageModel
    cache: Journal
    batch: int = 10
    parallel: int = 4

    def ask(self, instruction: str, texts: Iterable[Text]) -> dict[Text, str | MalformedAnswerError]:
        """The model's caption for each text, or what was wrong with its answer, of which a later run asks again.

        Raises:
            ServerUnavailableError: the model cannot be asked; what was answered before is kept.
        """
        cached = {entry["key"]: entry["caption"] for entry in self.cache.entries}
        keys = {text: self._key(instruction, text) for text in texts}
        answers: dict[Text, str | MalformedAnswerError] = {t: cached[key] for t, key in keys.items() if key in cached}
        new = [text for text, key in keys.items() if key not in cached]
        batches = [new[i : i + self.batch] for i in range(0, len(new), self.batch)]
        pool = ThreadPoolExecutor(self.parallel)
        try:
            asked = [pool.submit(self._ask_batch, instruction, batch) for batch in batches]
            for future in tqdm(as_completed(asked), total=len(asked), unit="request", disable=not asked):
                answers |= future.result()
        finally:
            pool.shutdown(cancel_futures=True)
        return answers

    def _ask_batch(self, instruction: str, batch: Sequence[Text]) -> dict[Text, str | MalformedAnswerError]:
        try:
            captions = self.model.write(instruction, batch)
        except MalformedAnswerError as error:
            if len(batch) == 1:
                return {batch[0]: error}
            # one text can spoil the answer to all: each is asked for by itself
            return {text: answer for one in batch for text, answer in self._ask_batch(instruction, [one]).items()}
        for text, caption in zip(batch, captions, strict=True):
            self.cache.add({"key": self._key(instruction, text), "text": text, "caption": caption})
        return dict(zip(batch, captions, strict=True))

    def _key(self, instruction: str, text: Text) -> str:
        """The instruction itself is hashed, so that no version of it can be forgotten."""
        return hashlib.sha256(json.dumps([self.model.name, instruction, text]).encode()).hexdigest()
