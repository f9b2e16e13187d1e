"""The body of POST /search: a JSON object, and the function that reads it."""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.api.localize_form import NUMBERS
from service.core.errors import ParameterInvalid
from service.core.request_errors import FieldUnknown, FormMalformed

MAX_LIMIT = 100
MAX_FACETS = 10
MAX_BODY_BYTES = 256 << 10
MAX_ITEMS = 4096
MAX_AROUND_S = 10
RECORDING_FACET = "recording"
_SHOWN_CHARS = 60

_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)] | None
_Text = Annotated[str, Field(max_length=65_536)]
_Texts = _Text | Annotated[list[_Text], Field(max_length=MAX_ITEMS)]


class SearchBody(BaseModel):
    """At least one query or one example, and values that replace the defaults."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid", strict=True)

    query: _Texts = Field([], examples=["a chainsaw"])
    """Description of a sound in plain words, or a list of descriptions, whose moments are ranked together."""

    like: _Texts = Field([], examples=[["2f1c0f3e5b0d4c0a9a8e7d6c5b4a3f2e@12.4-13.1"]])
    """Stretch of a recording in which the sound is heard, or a list of stretches: the id of a recording in the library or of a
    clip that the service still remembers, and times in seconds. At most one `query` may be given beside."""

    unlike: _Texts = []
    """Stretch, or list of stretches, in which the sound is not heard; only together with `like`."""

    where: Annotated[str, Field(max_length=2000)] = Field("", examples=["site = 'north' AND duration_s > 60"])
    """Condition on the recordings: comparisons of `id`, `path`, `duration_s` and columns of metadata with values, combined with
    AND, OR, NOT and parentheses."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, strict=True)] = 20
    """Number of moments in the answer, 1 to 100."""

    cursor: Annotated[str, Field(max_length=500)] = ""
    """The `next_cursor` of the answer with the moments before; all other members but `limit` must be the same."""

    exact: bool = False
    """Whether all frames are read, so that no moment can be missed. This takes about a second for some hours of recordings."""

    facets: Annotated[list[_Text], Field(max_length=MAX_FACETS)] = Field([], examples=[["recording", "site"]])
    """Columns by whose values the best 1000 moments are counted: `recording`, and columns of metadata."""

    curve_s: Annotated[float, Field(ge=0, le=MAX_AROUND_S, strict=True)] | None = Field(None, examples=[2.0])
    """Seconds before and after a moment that its `curve` covers, 0 to 10; by default, moments have no curve."""

    threshold: _Number = None
    """Score above which a segment starts, 0 to 1. Default: the calibrated threshold of the model."""

    threshold_off: _Number = None
    """Score above which a segment continues, 0 to `threshold`."""

    median_filter_s: _Number = None
    """Width of the median filter that smooths the score, in seconds, 0 to 5."""

    extent_ratio: _Number = None
    """Extends each segment from its peak outwards while the score stays above this fraction of the threshold (or of
    its odds), 0.1 to 1."""

    min_duration_s: _Number = None
    """Minimum duration of a segment, in seconds."""

    merge_gap_s: _Number = None
    """Maximum gap between two segments that are merged into one segment, in seconds."""

    @property
    def overrides(self) -> dict[str, float]:
        """Post-processing values that replace the model's defaults, by name."""
        return {name: value for name in NUMBERS if (value := getattr(self, name)) is not None}

    @property
    def digest(self) -> str:
        """Digest of everything but `cursor` and `limit`: of what the pages of one search have in common."""
        document = self.model_dump_json(exclude={"cursor", "limit"})
        return hashlib.sha256(document.encode()).hexdigest()[:16]


def as_list(texts: str | list[str]) -> list[str]:
    """A list of texts, of which a single one may be given without the list."""
    return [texts] if isinstance(texts, str) else texts


def read_search_body(content: bytes) -> SearchBody:
    """Reads the JSON of a search.

    Raises:
        FormMalformed: If the content is not a JSON object.
        FieldUnknown: If a member is unknown.
        ParameterInvalid: If the value of a member is not accepted.
    """
    try:
        document: Any = json.loads(content.decode())
        json.dumps(document, ensure_ascii=False).encode()  # fails for halves of surrogate pairs
    except (ValueError, RecursionError) as error:
        raise FormMalformed(" ".join(str(error).split())[:_SHOWN_CHARS], "application/json") from error
    if not isinstance(document, dict):
        raise FormMalformed("it is not an object", "application/json")
    try:
        return SearchBody.model_validate(cast(dict[str, Any], document))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])[:_SHOWN_CHARS]
        if first["type"] == "extra_forbidden":
            raise FieldUnknown(name, ", ".join(SearchBody.model_fields)) from error
        came = repr(first["input"])
        shown = came if len(came) <= _SHOWN_CHARS else f"{came[:_SHOWN_CHARS]}..."
        raise ParameterInvalid(name, shown, first["msg"].removeprefix("Input should be ")) from error


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next page of a search begins: after this moment of the ranking.

    Attributes:
        n_seen: Number of moments before the next page.
        rank: The place of the last moment in the ranking; see `service.library.searching.Moment.rank`.
    """

    n_seen: int
    rank: tuple[float, int, float, int]

    def to_text(self, digest: str) -> str:
        """The cursor as clients see it, for a search with this digest."""
        return base64.urlsafe_b64encode(json.dumps([digest, self.n_seen, *self.rank]).encode()).decode()

    @classmethod
    def of_text(cls, text: str, digest: str) -> "Cursor":
        """Reads a cursor.

        Raises:
            ParameterInvalid: If it is none, or belongs to another search.
        """
        try:
            items: Any = json.loads(base64.b64decode(text, altchars=b"-_", validate=True))
            of_search, n_seen, score, generation, onset_s, query = items
            cursor = cls(int(n_seen), (float(score), int(generation), float(onset_s), int(query)))
        except (ValueError, TypeError, binascii.Error, RecursionError, OverflowError) as error:
            raise ParameterInvalid("cursor", repr(text[:_SHOWN_CHARS]), "the next_cursor of an answer") from error
        if of_search != digest or cursor.n_seen < 0:
            raise ParameterInvalid("cursor", "one of another search", "the next_cursor of the same search")
        return cursor
