"""A language model behind an OpenAI-compatible endpoint: texts go out, and one caption for each comes back, or an error.

The answer is held to a schema twice: the server is asked to (`response_format`), and what comes is validated.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from training.curation.regions.region import one_line
from training.curation.retries import Patience, checked


class MalformedAnswerError(Exception):
    """The model answered, but not with one caption for each text."""


class Written(BaseModel):
    """The caption for the text of this number."""

    model_config = ConfigDict(extra="forbid")
    id: int
    caption: str


class Answer(BaseModel):
    """What the model is to give."""

    model_config = ConfigDict(extra="forbid")
    captions: list[Written]


class Message(BaseModel):
    """What the model said."""

    content: str


class Choice(BaseModel):
    """One of the alternatives that a server gives; one is asked for."""

    message: Message


class Completion(BaseModel):
    """What a server answers to `/chat/completions`, as far as it matters."""

    choices: list[Choice]


FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "captions", "strict": True, "schema": Answer.model_json_schema()},
}


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """A model of this name; the endpoint is what stands before `/chat/completions`, as in `http://127.0.0.1:8080/v1`."""

    endpoint: str
    name: str
    key: str = field(default="", repr=False)
    timeout_s: float = 60.0
    patience: Patience = field(default_factory=Patience)
    client: httpx.Client = field(default_factory=httpx.Client)

    def write(self, instruction: str, texts: Sequence[Sequence[str]]) -> list[str]:
        """A caption for each text, which is itself one caption or several.

        Raises:
            MalformedAnswerError: what came is not that.
            ServerUnavailableError: the server cannot be asked.
        """
        items = [{"id": i, "captions": list(text)} for i, text in enumerate(texts)]
        body = {
            "model": self.name,
            "temperature": 0,
            "messages": [
                {"role": "system", "content": instruction},
                {"role": "user", "content": json.dumps(items, ensure_ascii=False)},
            ],
            "response_format": FORMAT,
        }
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        url = self.endpoint.rstrip("/") + "/chat/completions"

        def call() -> httpx.Response:
            return checked(self.client.post(url, json=body, headers=headers, timeout=self.timeout_s))

        return _captions(self.patience.ask(call).content, len(texts))


def _captions(content: bytes, count: int) -> list[str]:
    try:
        completion = Completion.model_validate_json(content)
        if not completion.choices:
            raise MalformedAnswerError("no answer")
        answer = Answer.model_validate_json(completion.choices[0].message.content)
    except ValidationError as error:
        raise MalformedAnswerError(f"not the JSON asked for: {error.errors()[0]['msg']}") from error
    by_id = {written.id: one_line(written.caption) for written in answer.captions}
    if len(answer.captions) != count or by_id.keys() != set(range(count)):
        raise MalformedAnswerError(f"captions for {[w.id for w in answer.captions]}; 0 to {count - 1} were asked for")
    return [by_id[i] for i in range(count)]
