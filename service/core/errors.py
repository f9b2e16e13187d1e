"""Everything that can be told to a caller: what came, what is accepted, and which setting decides.

::

    EarmarkError
    ├── StartError                  a command cannot start; never told over HTTP
    │   ├── SettingUnknown
    │   ├── SettingInvalid
    │   ├── AddressUnavailable
    │   ├── DeviceUnavailable
    │   ├── DecoderUnavailable
    │   ├── PlotUnavailable
    │   └── BundleError             the model bundle cannot be served
    │       ├── BundleFileMissing
    │       ├── ChecksumMismatch
    │       ├── ManifestInvalid
    │       └── GraphMismatch       a graph's inputs, outputs or shapes are not the contract's
    ├── RequestError                the request is not what this service reads
    │   ├── NotAForm
    │   ├── FormMalformed
    │   ├── TooManyFields
    │   ├── FieldUnknown
    │   ├── FieldRepeated
    │   ├── FieldKindWrong          a file where text belongs, or the other way round
    │   ├── FieldNotUtf8
    │   ├── FieldTooLarge
    │   └── ClipUnclear             neither or both of audio and clip_id
    ├── AudioError                  the clip cannot be used
    │   ├── UnsupportedAudio        container, codec, sample rate or channel count
    │   ├── AudioUndecodable
    │   ├── AudioEmpty
    │   ├── AudioNotFinite
    │   ├── AudioTooLong
    │   └── AudioTooLarge
    ├── QueryError                  the queries cannot be used
    │   ├── QueriesMissing
    │   ├── TooManyQueries
    │   ├── QueryEmpty
    │   └── QueryTooLong
    ├── ParameterInvalid            one number or choice is outside what is accepted
    ├── ClipNotFound
    ├── Overloaded                  as much is worked on as is accepted
    │   ├── TooManyRequests
    │   └── TooManyBytes
    ├── DeadlineExceeded
    └── NotReady
        ├── EngineStopped           the device failed, or the engine was closed
        └── ServiceEnding                  the process finishes what it has begun, and takes nothing new

Status codes are not known here.
"""

# ruff: noqa: N818 - a name says what is wrong; the base class says that it is an error

from dataclasses import dataclass, fields
from typing import Any, ClassVar


@dataclass(eq=False)
class EarmarkError(Exception):
    """Root of all errors that are meant for a caller; subclasses carry their data as attributes.

    Attributes:
        template: The message in which the data is filled in: what came, and what is accepted.
        setting: The operator's setting that decides what is accepted, if one does.
    """

    template: ClassVar[str] = ""
    setting: ClassVar[str | None] = None

    def __str__(self) -> str:
        return f"{self.message} ({self.setting})" if self.setting else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        """Survives the way from a worker process, however it was built."""
        return type(self), tuple(self.data.values())

    @property
    def message(self) -> str:
        """What came and what is accepted, in one line."""
        return self.template.format_map(self.data)

    @property
    def data(self) -> dict[str, Any]:
        """The error's own fields, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


class StartError(EarmarkError):
    """A command cannot start: told on its standard error, never over HTTP."""


@dataclass(eq=False)
class SettingUnknown(StartError):
    """An EARMARK_* variable is set that means nothing; most often it is misspelt."""

    name: str
    nearest: str
    template = "{name} is not a setting; did you mean {nearest}?"


@dataclass(eq=False)
class SettingInvalid(StartError):
    """A setting has a value that is not accepted."""

    name: str
    came: str
    accepted: str
    template = "{name} is {came}; accepted: {accepted}"


@dataclass(eq=False)
class AddressUnavailable(StartError):
    """The address to listen on cannot be had."""

    host: str
    port: int
    reason: str
    template = "cannot listen on {host}:{port}: {reason}"
    setting = "EARMARK_HOST, EARMARK_PORT"


@dataclass(eq=False)
class DeviceUnavailable(StartError):
    """The device that was asked for cannot be used."""

    device: str
    available: str
    template = "device {device!r} was asked for; ONNX Runtime offers here: {available}"
    setting = "EARMARK_DEVICE"


@dataclass(eq=False)
class DecoderUnavailable(StartError):
    """The processes that decode clips do not work here."""

    reason: str
    template = "a second of silence could not be decoded: {reason}"


class PlotUnavailable(StartError):
    """The library that draws is not installed."""

    template = "--plot needs matplotlib: pip install 'earmark[plot]'"


class BundleError(StartError):
    """The model bundle cannot be served."""

    setting = "EARMARK_BUNDLE"


@dataclass(eq=False)
class BundleFileMissing(BundleError):
    """A file that every bundle holds is not there."""

    directory: str
    name: str
    template = "bundle {directory} holds no {name}; every bundle needs it"


@dataclass(eq=False)
class ChecksumMismatch(BundleError):
    """A file's content is not what the manifest says."""

    name: str
    found_sha256: str
    expected_sha256: str
    template = "{name} has sha256 {found_sha256}; manifest.json says {expected_sha256}"


@dataclass(eq=False)
class ManifestInvalid(BundleError):
    """A field of manifest.json is missing, unknown or not acceptable."""

    field: str
    came: str
    accepted: str
    template = "manifest.json: {field} is {came}; accepted: {accepted}"


@dataclass(eq=False)
class GraphMismatch(BundleError):
    """A graph's inputs, outputs or shapes are not what the manifest and the contract say."""

    name: str
    came: str
    accepted: str
    template = "{name}: came {came}; accepted: {accepted}"


class RequestError(EarmarkError):
    """The request is not what this service reads."""


@dataclass(eq=False)
class NotAForm(RequestError):
    """The body has another media type than a form with files."""

    came: str
    accepted: str = "multipart/form-data"
    template = "request's Content-Type is {came}; accepted: {accepted}"


@dataclass(eq=False)
class FormMalformed(RequestError):
    """The body is not the form that its Content-Type says."""

    reason: str
    template = "the body cannot be read as multipart/form-data (RFC 7578): {reason}"


@dataclass(eq=False)
class TooManyFields(RequestError):
    """The form has more fields than all that are accepted together."""

    limit: int
    template = "the form has more than {limit} fields; at most {limit} are accepted"
    setting = "EARMARK_MAX_QUERIES"


@dataclass(eq=False)
class FieldUnknown(RequestError):
    """A field of the form means nothing here."""

    name: str
    accepted: str
    template = "field {name} is not known; accepted: {accepted}"


@dataclass(eq=False)
class FieldRepeated(RequestError):
    """A field that may come once came again."""

    name: str
    template = "field {name} came more than once; it is accepted once, and only query may be repeated"


@dataclass(eq=False)
class FieldKindWrong(RequestError):
    """A file came where text belongs, or text where a file belongs."""

    name: str
    came: str
    accepted: str
    template = "field {name} came as {came}; accepted: {accepted}"


@dataclass(eq=False)
class FieldNotUtf8(RequestError):
    """A text is in another encoding."""

    name: str
    template = "field {name} holds bytes that are not UTF-8; texts are accepted in UTF-8"


@dataclass(eq=False)
class FieldTooLarge(RequestError):
    """A text has more bytes than any accepted value."""

    name: str
    limit_bytes: int
    template = "field {name} has more than {limit_bytes} bytes; at most {limit_bytes} bytes are accepted"
    setting = "EARMARK_MAX_QUERY_CHARS"


@dataclass(eq=False)
class ClipUnclear(RequestError):
    """It is not clear which clip is meant."""

    came: str
    template = "{came} came; exactly one of audio (a file) and clip_id (of a clip seen before) is needed"


class AudioError(EarmarkError):
    """The clip cannot be used."""


@dataclass(eq=False)
class UnsupportedAudio(AudioError):
    """The container, the codec, the sample rate or the number of channels is not accepted."""

    came: str
    accepted: str
    template = "clip is {came}; accepted: {accepted}"


@dataclass(eq=False)
class AudioUndecodable(AudioError):
    """The container is an accepted one, but no audio could be read from it."""

    container: str
    reason: str
    template = "clip looks like {container} but cannot be decoded: {reason}"


@dataclass(eq=False)
class AudioEmpty(AudioError):
    """The upload has no bytes, or the clip has no samples."""

    n_bytes: int
    template = "clip of {n_bytes} bytes holds 0 samples; at least 1 is needed"


@dataclass(eq=False)
class AudioNotFinite(AudioError):
    """A sample is NaN or infinite, or too large to be audio."""

    at_s: float
    template = "clip holds a sample at {at_s:.3f} s that is NaN, infinite or absurdly large; samples must be finite"


@dataclass(eq=False)
class AudioTooLong(AudioError):
    """The clip lasts longer than the limit; decoding stopped there, so its length is not known."""

    limit_s: float
    template = "clip lasts more than {limit_s:g} s; at most {limit_s:g} s is accepted"
    setting = "EARMARK_MAX_CLIP_S"


@dataclass(eq=False)
class AudioTooLarge(AudioError):
    """The upload has more bytes than the limit; reading stopped there if its size was not declared."""

    limit_bytes: int
    template = "clip has more than {limit_bytes} bytes; at most {limit_bytes} bytes are accepted"
    setting = "EARMARK_MAX_UPLOAD_BYTES"


class QueryError(EarmarkError):
    """The queries cannot be used."""


class QueriesMissing(QueryError):
    """No query came."""

    template = "no query came; at least 1 is needed"


@dataclass(eq=False)
class TooManyQueries(QueryError):
    """More queries came than one call may hold."""

    n_queries: int
    limit: int
    template = "{n_queries} queries came; at most {limit} are accepted"
    setting = "EARMARK_MAX_QUERIES"


@dataclass(eq=False)
class QueryEmpty(QueryError):
    """A query holds no word."""

    number: int
    query: str
    template = "query {number} is {query!r}, which holds no word; at least 1 letter or digit is needed"


@dataclass(eq=False)
class QueryTooLong(QueryError):
    """A query has too many characters."""

    number: int
    n_chars: int
    limit_chars: int
    template = "query {number} has {n_chars} characters; at most {limit_chars} are accepted"
    setting = "EARMARK_MAX_QUERY_CHARS"


@dataclass(eq=False)
class ParameterInvalid(EarmarkError):
    """A parameter's value is outside what is accepted."""

    name: str
    came: str
    accepted: str
    template = "{name} is {came}; accepted: {accepted}"


@dataclass(eq=False)
class ClipNotFound(EarmarkError):
    """No embedding of this clip is in the cache: it never came, or it was evicted."""

    clip_id: str
    template = "clip {clip_id!r} is not known, or no longer; send its audio again"
    setting = "EARMARK_CACHE_BYTES"


class NotReady(EarmarkError):
    """The model did not pass its last check."""

    template = "the model did not pass its last check"


@dataclass(eq=False)
class Overloaded(EarmarkError):
    """As much is worked on as is accepted.

    Attributes:
        retry_after_s: Whole seconds after which there should be room.
    """

    limit: int
    retry_after_s: int


class TooManyRequests(Overloaded):
    """As many requests are being answered as are accepted at a time."""

    template = "{limit} requests are being answered, as many as are accepted; try again in {retry_after_s} s"
    setting = "EARMARK_MAX_REQUESTS"


class TooManyBytes(Overloaded):
    """The uploads that are being answered hold as many bytes as are accepted at a time."""

    template = (
        "with this upload more than {limit} bytes would be held, the most accepted; try again in {retry_after_s} s"
    )
    setting = "EARMARK_MAX_BYTES_IN_FLIGHT"


@dataclass(eq=False)
class DeadlineExceeded(EarmarkError):
    """The answer was not there in time."""

    timeout_s: float
    template = "no answer after {timeout_s:g} s"
    setting = "EARMARK_REQUEST_TIMEOUT_S"


class EngineStopped(NotReady):
    """Nothing can be embedded any longer."""

    template = "the model does not run any longer"


class ServiceEnding(NotReady):
    """The process finishes what it has begun, and takes nothing new."""

    template = "the service is ending"
