"""Requests captions from a language model for many texts: each text once, in parallel batches, with replies kept on disk."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from tqdm import tqdm

from training.curation.journal import Journal
from training.curation.language_model import LanguageModel, MalformedReplyError

Text = tuple[str, ...]
"""The captions from which the model writes one caption."""


@dataclass(frozen=True, slots=True)
class CaptionRequests:
    """Sends texts to a language model.

    Attributes:
        model: the language model.
        cache: receives every caption, and holds those of earlier runs.
        batch: number of texts per request.
        parallel: number of simultaneous requests.
    """

    model: LanguageModel
    cache: Journal
    batch: int = 10
    parallel: int = 4

    def fetch(self, instruction: str, texts: Iterable[Text]) -> dict[Text, str | MalformedReplyError]:
        """Returns the model's caption for each text, or the error of a malformed reply.

        Captions in the cache are not requested again. Malformed replies are not cached, so a later run repeats their
        requests.

        Raises:
            ServerUnavailableError: The model does not answer. The cache keeps all captions received so far.
        """
        cached = {entry["key"]: entry["caption"] for entry in self.cache.entries}
        keys = {text: self._key(instruction, text) for text in texts}
        captions: dict[Text, str | MalformedReplyError] = {t: cached[key] for t, key in keys.items() if key in cached}
        missing = [text for text, key in keys.items() if key not in cached]
        batches = [missing[i : i + self.batch] for i in range(0, len(missing), self.batch)]
        pool = ThreadPoolExecutor(self.parallel)
        try:
            requests = [pool.submit(self._fetch_batch, instruction, batch) for batch in batches]
            for request in tqdm(as_completed(requests), total=len(requests), unit="request", disable=not requests):
                captions |= request.result()
        finally:
            pool.shutdown(cancel_futures=True)
        return captions

    def _fetch_batch(self, instruction: str, batch: Sequence[Text]) -> dict[Text, str | MalformedReplyError]:
        try:
            captions = self.model.write(instruction, batch)
        except MalformedReplyError as error:
            if len(batch) == 1:
                return {batch[0]: error}
            # a single text can spoil the reply to the whole batch, so each text is requested separately
            results = (self._fetch_batch(instruction, [text]) for text in batch)
            return {text: caption for result in results for text, caption in result.items()}
        for text, caption in zip(batch, captions, strict=True):
            self.cache.add({"key": self._key(instruction, text), "text": text, "caption": caption})
        return dict(zip(batch, captions, strict=True))

    def _key(self, instruction: str, text: Text) -> str:
        """Cache key of a text. It covers the instruction, so a changed instruction never uses old captions."""
        return hashlib.sha256(json.dumps([self.model.name, instruction, text]).encode()).hexdigest()
