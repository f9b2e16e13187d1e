"""A language model behind an OpenAI-compatible endpoint, which writes one caption for each text.

A JSON schema is enforced twice: it is sent to the server (`response_format`), and the reply is validated against it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from training.curation.regions.region import single_line
from training.curation.retries import RetryPolicy, require_success


class MalformedReplyError(Exception):
    """The model's reply does not hold exactly one caption for each text."""


class WrittenCaption(BaseModel):
    """The caption for the text with this id."""

    model_config = ConfigDict(extra="forbid")
    id: int
    caption: str


class CaptionsReply(BaseModel):
    """One caption for each text."""

    model_config = ConfigDict(extra="forbid")
    captions: list[WrittenCaption]


class Message(BaseModel):
    """The text that the model wrote."""

    content: str


class Choice(BaseModel):
    """A completion in a response. The requests here get a single completion each."""

    message: Message


class Completion(BaseModel):
    """The response of `/chat/completions`, without the fields that are not used here."""

    choices: list[Choice]


FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "captions", "strict": True, "schema": CaptionsReply.model_json_schema()},
}


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """A language model on a server.

    Attributes:
        endpoint: the URL without `/chat/completions`, for example `http://127.0.0.1:8080/v1`.
        name: the model's name on the server.
        key: the API key; empty for none.
        timeout_s: seconds to wait for a response before the request is repeated.
        retry_policy: how failed requests are repeated.
        client: the HTTP client.
    """

    endpoint: str
    name: str
    key: str = field(default="", repr=False)
    timeout_s: float = 60.0
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    client: httpx.Client = field(default_factory=httpx.Client)

    def write(self, instruction: str, texts: Sequence[Sequence[str]]) -> list[str]:
        """Requests a caption for each text. A text is a sequence of one or more captions.

        Raises:
            MalformedReplyError: The reply does not hold exactly one caption for each text.
            ServerUnavailableError: The server does not answer.
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
            return require_success(self.client.post(url, json=body, headers=headers, timeout=self.timeout_s))

        return _parse_captions(self.retry_policy.run(call).content, len(texts))


def _parse_captions(content: bytes, count: int) -> list[str]:
    try:
        completion = Completion.model_validate_json(content)
        if not completion.choices:
            raise MalformedReplyError("it holds no completion")
        reply = CaptionsReply.model_validate_json(completion.choices[0].message.content)
    except ValidationError as error:
        raise MalformedReplyError(f"it is not the required JSON: {error.errors()[0]['msg']}") from error
    by_id = {written.id: single_line(written.caption) for written in reply.captions}
    if len(reply.captions) != count or by_id.keys() != set(range(count)):
        ids = [written.id for written in reply.captions]
        raise MalformedReplyError(
            f"it holds captions for the ids {ids}; each id from 0 to {count - 1} once is accepted"
        )
    return [by_id[i] for i in range(count)]
