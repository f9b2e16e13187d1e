"""Query embeddings of the captions that a training step compares with the frames."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from training.model import LanguageAudioModel
from training.processes import Processes
from training.synthesis.caption_bank import CaptionBank
from training.towers.text import SentenceEncoder


@dataclass(frozen=True, slots=True)
class CaptionEmbedder:
    """Embeds captions with the text tower as it is being trained.

    Shapes: Q captions, C channels of a sentence embedding, D channels of the shared space.

    Attributes:
        model: the model that is trained. Its projection, and its sentence encoder if that is trained, get gradients.
        encoder: the frozen sentence encoder. It is not used if `model` has a trained sentence encoder.
        label_captions: captions whose sentence embeddings a frozen encoder has computed before the run, or None.
        sentence_noise: standard deviation of the Gaussian noise that is added to each channel of a sentence embedding.
        processes: the processes of the run, whose captions are gathered.
    """

    model: LanguageAudioModel
    encoder: SentenceEncoder
    label_captions: CaptionBank | None
    sentence_noise: float
    processes: Processes = field(default_factory=Processes)

    def embed(self, captions: Sequence[str]) -> Tensor:
        """Returns the query embedding of each caption: (Q, D), unit norm."""
        return self.embed_sentences(self.encode_sentences(captions))

    def embed_unique(self, captions: Iterable[str]) -> tuple[list[str], Tensor]:
        """Embeds the captions of all processes, each distinct caption once.

        Args:
            captions: captions of this process. Duplicates are allowed.

        Returns:
            The Q distinct captions of all processes, in the same order in every process, and their query embeddings
            (Q, D). A caption of several processes has the embedding that the process with the lowest rank computed.
        """
        texts = list(dict.fromkeys(captions))
        embeddings = self.processes.gather(self.embed(texts))
        rows: dict[str, int] = {}
        for row, text in enumerate(itertools.chain.from_iterable(self.processes.gather_objects(texts))):
            rows.setdefault(text, row)
        return list(rows), embeddings[list(rows.values())]

    def encode_sentences(self, captions: Sequence[str]) -> Tensor:
        """Returns the sentence embedding of each caption: (Q, C).

        A trained encoder encodes every caption, with gradient. A frozen encoder encodes only the captions that
        `label_captions` does not hold.
        """
        if self.model.encoder is not None:
            return self.model.encoder.embed(list(captions))
        if self.label_captions is None:
            return self.encoder.encode(list(captions))
        rows = self.label_captions.rows
        sentences = self.label_captions.sentences[[rows.get(caption, 0) for caption in captions]]
        missing = [i for i, caption in enumerate(captions) if caption not in rows]
        if missing:
            sentences[missing] = self.encoder.encode([captions[i] for i in missing])
        return sentences

    def embed_sentences(self, sentences: Tensor) -> Tensor:
        """Adds noise to sentence embeddings (Q, C) and projects them to query embeddings (Q, D), unit norm.

        With noise, the projection maps a neighbourhood of each sentence, not a single point, to the same place.
        """
        device = self.model.device
        noise = torch.randn(sentences.shape, device=device) * self.sentence_noise
        return self.model.projection(F.normalize(sentences.to(device) + noise, dim=-1))
