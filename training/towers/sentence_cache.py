"""A file of sentence embeddings, which keeps the embeddings of a frozen encoder from one run to the next."""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn


def encoder_key(transformer: nn.Module, settings: str) -> str:
    """A key that changes with the weights of an encoder and with the settings of its tokenizer and pooling."""
    digest = hashlib.sha256(settings.encode())
    for name, values in sorted(transformer.state_dict().items()):
        digest.update(name.encode())
        digest.update(values.detach().cpu().double().sum().numpy().tobytes())
    return digest.hexdigest()


class SentenceCache:
    """Sentence embeddings by text, in memory and in a file.

    A file with another key, or that is damaged, is replaced. If two runs write the file, the later one's content stays.

    Args:
        file: the file, which is created with its folder.
        key: the key of the encoder.
    """

    def __init__(self, file: Path, key: str) -> None:
        self.file, self.key = file, key
        self._rows: dict[str, int] = {}
        self._sentences: Tensor | None = None
        if file.is_file():
            self._read()

    def encode(self, captions: Sequence[str], encode: Callable[[list[str]], Tensor]) -> Tensor:
        """Sentence embeddings (Q, C) of captions; `encode` computes those that the cache lacks.

        The order of the new captions does not matter to the result, because an encoder embeds each caption alone, up to rounding.
        """
        missing = [caption for caption in dict.fromkeys(captions) if caption not in self._rows]
        if missing or self._sentences is None:
            computed = encode(missing)
            self._sentences = computed if self._sentences is None else torch.cat([self._sentences, computed])
            self._rows |= {caption: len(self._rows) + i for i, caption in enumerate(missing)}
            self._write()
        return self._sentences[[self._rows[caption] for caption in captions]]

    def _read(self) -> None:
        try:
            content = torch.load(self.file, weights_only=True)
            if content["key"] == self.key and len(content["texts"]) == len(content["sentences"]):
                self._sentences = content["sentences"]
                self._rows = {text: row for row, text in enumerate(content["texts"])}
        except (OSError, RuntimeError, KeyError, TypeError, EOFError, ValueError, UnpicklingError):
            return

    def _write(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        partial = self.file.with_name(f"{self.file.name}.{os.getpid()}")
        torch.save({"key": self.key, "texts": list(self._rows), "sentences": self._sentences}, partial)
        partial.replace(self.file)
