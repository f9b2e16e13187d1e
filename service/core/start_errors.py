"""Errors that stop a command before it serves or localizes anything; their message goes to standard error, never over HTTP.

::

    StartError
    ├── SettingUnknown
    ├── SettingInvalid
    ├── AddressUnavailable
    │   └── MetricsAddressUnavailable
    ├── AccessUndecided         other machines can reach the service, and nothing says who may use it
    ├── KeysFileInvalid
    ├── KeyNameTaken
    ├── KeyNameUnknown
    ├── KeyNameInvalid
    ├── KeysFileUnnamed
    ├── DeviceUnavailable
    ├── DecoderUnavailable
    ├── RedisUnusable
    ├── TemporarySpaceUnavailable
    ├── PlotUnavailable
    ├── InferenceUnavailable
    ├── PackagesMissing
    ├── ServiceFailed           the service that a command names refused or cannot be reached
    ├── TracingUnavailable
    ├── TracingUnusable
    ├── LibraryUnavailable
    ├── LibraryMissing
    ├── LibraryFormatUnknown
    ├── LibraryModelDiffers
    ├── LibraryNotWritable
    ├── MetadataInvalid
    ├── RecordingsMissing
    ├── RayUnavailable
    ├── ClusterFailed           a Ray cluster cannot be reached, is too small, or does not finish
    └── BundleError             the model bundle cannot be served; `service.core.bundle_errors` draws its subclasses
"""

# ruff: noqa: N818 - each name says what is wrong; the base class says that it is an error

from service.core.errors import EarmarkError


class StartError(EarmarkError):
    """A command cannot start. The message goes to standard error, never over HTTP."""


class SettingUnknown(StartError):
    """An EARMARK_* variable that is not a setting; usually a misspelt name."""

    name: str
    nearest: str
    template = "{name} is not a setting; did you mean {nearest}?"


class SettingInvalid(StartError):
    """The value of a setting is not accepted."""

    name: str
    came: str
    accepted: str
    template = "{name} is {came}; accepted: {accepted}"


class AddressUnavailable(StartError, setting="EARMARK_HOST, EARMARK_PORT"):
    """The service cannot listen on its address."""

    host: str
    port: int
    reason: str
    template = "cannot listen on {host}:{port}: {reason}"


class MetricsAddressUnavailable(AddressUnavailable, setting="EARMARK_METRICS_HOST, EARMARK_METRICS_PORT"):
    """The service cannot listen on its address for metrics."""


class AccessUndecided(StartError):
    """The address can be reached from other machines, and no setting says who may use the service."""

    host: str
    template = (
        "EARMARK_HOST is {host}, an address that other machines can reach, and the service has no keys; set "
        "EARMARK_KEYS_FILE to a file that `earmark key new NAME --file FILE` has made, EARMARK_OPEN=1 to serve everybody "
        "who can reach the service, or EARMARK_HOST=127.0.0.1 to serve this machine only"
    )


class KeysFileInvalid(StartError, setting="EARMARK_KEYS_FILE"):
    """The keys file cannot be read, or does not have the form of a keys file."""

    path: str
    reason: str
    template = "keys file {path} cannot be used: {reason}"


class KeysFileUnnamed(StartError):
    """A command for keys does not know which keys file to use."""

    template = "the keys file is not named; use --file FILE or set EARMARK_KEYS_FILE"


class KeyNameInvalid(StartError):
    """A key cannot have this name."""

    name: str
    accepted: str
    template = "{name!r} is not the name of a key; accepted: {accepted}"


class KeyNameTaken(StartError):
    """The keys file has a key of this name."""

    name: str
    path: str
    template = (
        "{path} has a key of the name {name}; choose another name, or remove the key with `earmark key revoke {name}`"
    )


class KeyNameUnknown(StartError):
    """The keys file has no key of this name."""

    name: str
    path: str
    template = "{path} has no key of the name {name}; `earmark key list` prints the names"


class DeviceUnavailable(StartError, setting="EARMARK_DEVICE"):
    """The configured device cannot be used."""

    device: str
    available: str
    template = "device is {device!r}; ONNX Runtime supports on this machine: {available}"


class DecoderUnavailable(StartError):
    """The processes that decode clips do not work on this machine."""

    reason: str
    template = "the decoder failed its test, one second of silence: {reason}"


class RedisUnusable(StartError, setting="EARMARK_REDIS_URL"):
    """The server that the URL names can never be the shared cache."""

    url: str
    reason: str
    template = (
        "Redis at {url} cannot be used: {reason}; accepted: a single Redis server, or a proxy in front of a cluster"
    )


class TemporarySpaceUnavailable(StartError):
    """No temporary file can be written, so no large upload could be received."""

    directory: str
    reason: str
    template = "no file can be written in {directory}: {reason}; set TMPDIR to a directory that has free space"


class PlotUnavailable(StartError):
    """The plotting library is not installed."""

    template = "--plot needs matplotlib: pip install 'earmark[plot]'"


class InferenceUnavailable(StartError):
    """ONNX Runtime is not installed."""

    template = "ONNX Runtime is not installed: pip install 'earmark[cpu]', or 'earmark[gpu]' on a machine with CUDA"


class PackagesMissing(StartError):
    """A package that the command needs is not installed, for example because only the client is installed."""

    module: str
    template = "this command needs the server, and there is no module {module}: pip install 'earmark[cpu]'"


class ServiceFailed(StartError):
    """The service that a command names refused the request, failed, or cannot be reached."""

    url: str
    reason: str
    template = "the service at {url} did not answer: {reason}"


class TracingUnavailable(StartError, setting="EARMARK_TRACING"):
    """OpenTelemetry is not installed."""

    module: str
    template = "tracing needs OpenTelemetry, and there is no module {module}: pip install 'earmark[tracing]'"


class TracingUnusable(StartError, setting="EARMARK_TRACING"):
    """The value of an OTEL_* variable is not accepted."""

    reason: str
    template = "traces cannot be exported: {reason}"


class LibraryUnavailable(StartError):
    """LanceDB, the engine of libraries, is not installed."""

    module: str
    template = "a library needs LanceDB, and there is no module {module}: pip install 'earmark[library]'"


class LibraryMissing(StartError):
    """There is no library at the given place."""

    location: str
    template = "{location} has no library; `earmark index {location} RECORDINGS` makes one"


class LibraryFormatUnknown(StartError):
    """The library was written in a format that this version cannot read."""

    location: str
    came: str
    accepted: str
    template = (
        "library {location} has format {came}; accepted: {accepted}. Index the recordings again into a new folder, or use the "
        "version of Earmark that wrote the library"
    )


class LibraryModelDiffers(StartError):
    """The library was indexed with another model, whose embeddings cannot be compared with those of this model."""

    location: str
    came: str
    accepted: str
    template = (
        "the model is {came}, but library {location} was indexed with {accepted}; use the bundle of that model, or index "
        "the recordings into a new library"
    )


class LibraryNotWritable(StartError):
    """The library cannot be changed, because its folder cannot be written."""

    location: str
    reason: str
    template = "library {location} cannot be changed: {reason}"


class RayUnavailable(StartError):
    """Ray, or a package that is used together with Ray, is not installed."""

    module: str
    template = "a Ray cluster needs further packages, and there is no module {module}: pip install 'earmark[cpu,ray]'"


class ClusterFailed(StartError):
    """A Ray cluster cannot be reached, is too small, or failed in a way that another attempt does not repair."""

    address: str
    reason: str
    template = "the Ray cluster {address} cannot do this: {reason}"


class MetadataInvalid(StartError):
    """The table of metadata cannot be used."""

    path: str
    reason: str
    template = "table {path} cannot be used: {reason}"


class RecordingsMissing(StartError):
    """No file matches the patterns of a command."""

    patterns: str
    template = "no file matches {patterns}; accepted: files, folders, and patterns such as 'recordings/**/*'"
