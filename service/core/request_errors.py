"""Errors of requests that the service cannot read.

::

    RequestError
    ├── NotAForm
    ├── FormMalformed
    ├── FieldsTooLarge
    ├── OriginRefused           a web page of another site
    ├── TooManyFields
    ├── FieldUnknown
    ├── FieldRepeated
    ├── FieldKindWrong          a file instead of a text, or a text instead of a file
    ├── FieldNotUtf8
    ├── FieldTooLarge
    ├── ClipUnclear             neither audio nor clip_id, or both
    └── RequestTooSlow          the client sends its request too slowly
        ├── UploadTooSlow
        └── UploadTimedOut
"""

# ruff: noqa: N818 - each name says what is wrong; the base class says that it is an error

from service.core.errors import EarmarkError


class RequestError(EarmarkError):
    """The service cannot read the request."""


class NotAForm(RequestError):
    """The media type of the body is not accepted."""

    came: str
    accepted: str = (
        "multipart/form-data; application/x-www-form-urlencoded or application/json with a clip_id; "
        "audio/* with the queries in the URL"
    )
    template = "Content-Type of the request is {came}; accepted: {accepted}"


class FormMalformed(RequestError):
    """The body does not fit its Content-Type."""

    reason: str
    media_type: str = "multipart/form-data (RFC 7578)"
    template = "the body cannot be read as {media_type}: {reason}"


class FieldsTooLarge(RequestError, setting="EARMARK_MAX_QUERIES"):
    """The text fields together are larger than any accepted request."""

    limit_bytes: int
    template = "the fields have more than {limit_bytes} bytes; at most {limit_bytes} bytes are accepted"


class OriginRefused(RequestError, setting="EARMARK_ALLOWED_ORIGINS"):
    """The request comes from a web page of another site."""

    origin: str
    template = "Origin of the request is {origin}; accepted: pages of this service, and of the sites that are allowed"


class TooManyFields(RequestError, setting="EARMARK_MAX_QUERIES"):
    """The form has more fields than one request may have."""

    limit: int
    template = "the form has more than {limit} fields; at most {limit} are accepted"


class FieldUnknown(RequestError):
    """The form has an unknown field."""

    name: str
    accepted: str
    template = "field {name} is unknown; accepted: {accepted}"


class FieldRepeated(RequestError):
    """A field that is accepted once is repeated."""

    name: str
    template = "field {name} is repeated; it is accepted once; only query, like and unlike may be repeated"


class FieldKindWrong(RequestError):
    """A field has a file instead of a text, or a text instead of a file."""

    name: str
    came: str
    accepted: str
    template = "field {name} is {came}; accepted: {accepted}"


class FieldNotUtf8(RequestError):
    """A text is not UTF-8."""

    name: str
    template = "field {name} has bytes that are not UTF-8; texts must be UTF-8"


class FieldTooLarge(RequestError, setting="EARMARK_MAX_QUERY_CHARS"):
    """A text is longer than any accepted value."""

    name: str
    limit_bytes: int
    template = "field {name} has more than {limit_bytes} bytes; at most {limit_bytes} bytes are accepted"


class ClipUnclear(RequestError):
    """The request names no clip, or two."""

    came: str
    template = "the request has {came}; exactly one of audio (a file) and clip_id (of an earlier clip) is accepted"


class RequestTooSlow(RequestError):
    """The client sends its request too slowly."""


class UploadTooSlow(RequestTooSlow, setting="EARMARK_MIN_BYTES_PER_S"):
    """The body arrives more slowly than accepted."""

    n_bytes: int
    waited_s: float
    accepted_bytes_per_s: int
    template = (
        "{n_bytes} bytes of the body came while the service waited {waited_s:.1f} s for them; after the first seconds at "
        "least {accepted_bytes_per_s} bytes/s are accepted"
    )


class UploadTimedOut(RequestTooSlow, setting="EARMARK_REQUEST_TIMEOUT_S"):
    """The body was not complete before the deadline of the request."""

    n_bytes: int
    timeout_s: float
    template = "only {n_bytes} bytes of the body came within {timeout_s:g} s; by then the answer must be sent"
