"""Errors of a model bundle that cannot be served.

::

    BundleError
    ├── BundleFileMissing
    ├── ChecksumMismatch
    ├── ManifestInvalid
    ├── TokenizerInvalid
    └── GraphMismatch       inputs, outputs or shapes of a graph do not fit the bundle format
"""

# ruff: noqa: N818 - each name says what is wrong; the base class says that it is an error

from service.core.start_errors import StartError


class BundleError(StartError, setting="EARMARK_BUNDLE"):
    """The model bundle cannot be served."""


class BundleFileMissing(BundleError):
    """A file of the bundle does not exist."""

    directory: str
    name: str
    template = "bundle {directory} has no {name}; a bundle needs manifest.json and every file that it names"


class ChecksumMismatch(BundleError):
    """The sha256 of a file differs from its sha256 in the manifest."""

    name: str
    actual_sha256: str
    expected_sha256: str
    template = "{name} has sha256 {actual_sha256}; manifest.json says {expected_sha256}"


class ManifestInvalid(BundleError):
    """A field of manifest.json is missing, unknown or invalid."""

    field: str
    came: str
    accepted: str
    template = "manifest.json: {field} is {came}; accepted: {accepted}"


class TokenizerInvalid(BundleError):
    """The tokenizer cannot be read or used."""

    reason: str
    template = "tokenizer.json cannot be used: {reason}; accepted: a tokenizer of the library tokenizers"


class GraphMismatch(BundleError):
    """Inputs, outputs or shapes of a graph do not fit the manifest and the bundle format."""

    name: str
    came: str
    accepted: str
    template = "{name} has {came}; accepted: {accepted}"
