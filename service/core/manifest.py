"""What a model bundle says about itself, and whether its files are what it says."""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast, get_args

from service.core.errors import BundleFileMissing, ChecksumMismatch, ManifestInvalid, ParameterInvalid
from service.core.frame_grid import FrameGrid
from service.core.postprocessing import Postprocessing
from service.core.queries import QueryNormalization
from service.core.scoring import Calibration
from service.core.windows import WindowPlan

FORMAT_VERSION = 2
PACKAGED_BUNDLE = Path(__file__).parents[1] / "bundle"
MANIFEST = "manifest.json"
AUDIO_GRAPH = "audio.onnx"
TEXT_GRAPH = "text.onnx"
TOKENIZER = "tokenizer.json"
MODEL_CARD = "MODEL_CARD.md"
BUNDLE_FILES = (AUDIO_GRAPH, TEXT_GRAPH, TOKENIZER, MODEL_CARD)

_SHA256 = re.compile(r"[0-9a-f]{64}")
_POSITIVE_INTEGERS = ("sample_rate_hz", "hop_samples", "dimension", "window_frames", "max_query_tokens")


@dataclass(frozen=True, slots=True)
class Manifest:
    """The facts about a model that the service needs; the content of manifest.json.

    Attributes:
        format_version: Version of the bundle format; this code reads 2.
        name: The model's name.
        version: The model's version.
        sample_rate_hz: Rate of the waveform that audio.onnx takes.
        hop_samples: Samples per frame embedding.
        dimension: D, of both towers' embeddings.
        window_frames: Frames of the fixed windows that the audio tower is given.
        overlap_frames: Frames that neighbouring windows share; at most half a window.
        scale: Of the calibration score = sigmoid(scale * similarity + bias); above 0.
        bias: Of the calibration.
        postprocessing: The default way from scores to segments.
        max_query_tokens: Longer queries are cut to this many tokens.
        query_normalization: What is done to a query before the tokenizer.
        files: sha256 in lower-case hex of each file of the bundle besides manifest.json.
        licences: Of the model and what it was made from.
        trained_on: Data sets.

    Raises:
        ManifestInvalid: On construction, if a value is not acceptable.
    """

    format_version: int
    name: str
    version: str
    sample_rate_hz: int
    hop_samples: int
    dimension: int
    window_frames: int
    overlap_frames: int
    scale: float
    bias: float
    postprocessing: Postprocessing
    max_query_tokens: int
    query_normalization: QueryNormalization
    files: Mapping[str, str]
    licences: tuple[str, ...]
    trained_on: tuple[str, ...]

    def __post_init__(self) -> None:
        _require(self.format_version == FORMAT_VERSION, "format_version", self.format_version, str(FORMAT_VERSION))
        for name in _POSITIVE_INTEGERS:
            _require(getattr(self, name) > 0, name, getattr(self, name), "an integer above 0")
        at_most = self.window_frames // 2
        _require(0 <= self.overlap_frames <= at_most, "overlap_frames", self.overlap_frames, f"0 to {at_most}")
        _require(math.isfinite(self.scale) and self.scale > 0, "scale", self.scale, "a finite number above 0")
        _require(math.isfinite(self.bias), "bias", self.bias, "a finite number")
        modes = get_args(QueryNormalization)
        _require(self.query_normalization in modes, "query_normalization", self.query_normalization, ", ".join(modes))
        _require(set(self.files) == set(BUNDLE_FILES), "files", sorted(self.files), ", ".join(BUNDLE_FILES))
        for name, digest in self.files.items():
            _require(_SHA256.fullmatch(digest) is not None, f"files[{name}]", digest, "64 lower-case hex digits")

    @property
    def grid(self) -> FrameGrid:
        """The frames of the model's curves."""
        return FrameGrid(self.sample_rate_hz, self.hop_samples)

    @property
    def calibration(self) -> Calibration:
        """The sigmoid from similarities to scores."""
        return Calibration(self.scale, self.bias)

    @property
    def window_plan(self) -> WindowPlan:
        """How clips are cut into windows."""
        return WindowPlan(self.window_frames, self.overlap_frames)

    @property
    def window_samples(self) -> int:
        """Samples of one window."""
        return self.grid.n_samples(self.window_frames)

    def to_json(self) -> str:
        """The text of manifest.json."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Reads the text of manifest.json.

        Raises:
            ManifestInvalid: If it is not JSON, or a field is missing, unknown or not acceptable.
        """
        try:
            document = json.loads(text)
        except ValueError as error:
            raise ManifestInvalid("the document", f"not JSON ({error})", "a JSON object") from error
        if isinstance(document, dict) and "format_version" in document:  # else what another format has is told of
            found = cast(dict[str, Any], document)["format_version"]
            _require(found == FORMAT_VERSION, "format_version", found, str(FORMAT_VERSION))
        values = _read_fields(document, "", {field.name: field.type for field in fields(cls)})
        return cls(**values)


def verify_bundle(directory: Path) -> Manifest:
    """Reads a bundle's manifest and checks that every file is there with the content that it says.

    Raises:
        BundleFileMissing: If manifest.json or a file that it names is not there.
        ManifestInvalid: If manifest.json is not acceptable.
        ChecksumMismatch: If a file's sha256 is another.
    """
    manifest = read_manifest(directory)
    for name, expected_sha256 in manifest.files.items():
        found_sha256 = file_sha256(_existing(directory, name))
        if found_sha256 != expected_sha256:
            raise ChecksumMismatch(name, found_sha256, expected_sha256)
    return manifest


def read_manifest(directory: Path) -> Manifest:
    """Reads a bundle's manifest.

    Raises:
        BundleFileMissing: If manifest.json is not there.
        ManifestInvalid: If it is not acceptable.
    """
    try:
        text = _existing(directory, MANIFEST).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ManifestInvalid("the document", f"not UTF-8 ({error})", "a JSON object in UTF-8") from error
    return Manifest.from_json(text)


def file_sha256(path: Path) -> str:
    """A file's sha256 in lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _existing(directory: Path, name: str) -> Path:
    path = directory / name
    if not path.is_file():
        raise BundleFileMissing(str(directory), name)
    return path


def _require(holds: bool, name: str, came: object, accepted: str) -> None:
    if not holds:
        raise ManifestInvalid(name, repr(came), accepted)


def _read_fields(document: Any, prefix: str, kinds: Mapping[str, Any]) -> dict[str, Any]:
    """Checks that a JSON object has exactly the named fields, and reads each as its kind."""
    _require(isinstance(document, dict), prefix.rstrip(".") or "the document", document, "a JSON object")
    for name in document:
        _require(name in kinds, f"{prefix}{name}", document[name], f"no such field; known: {', '.join(kinds)}")
    for name in kinds:
        if name not in document:
            raise ManifestInvalid(f"{prefix}{name}", "missing", "a value for every field")
    return {name: _read(document[name], f"{prefix}{name}", kind) for name, kind in kinds.items()}


def _read(value: Any, name: str, kind: Any) -> Any:
    if kind is Postprocessing:
        values = _read_fields(value, f"{name}.", {field.name: field.type for field in fields(Postprocessing)})
        try:
            return Postprocessing(**values)
        except ParameterInvalid as error:
            raise ManifestInvalid(f"{name}.{error.name}", error.came, error.accepted) from error
    if kind is int:
        _require(type(value) is int, name, value, "an integer")
        return value
    if kind is float:
        _require(type(value) in (int, float), name, value, "a number")
        return float(value)
    if kind == tuple[str, ...]:
        _require(isinstance(value, list), name, value, "a list of texts")
        return tuple(_read(one, f"{name}[{index}]", str) for index, one in enumerate(value))
    if kind == Mapping[str, str]:
        _require(isinstance(value, dict), name, value, "an object of texts")
        return {key: _read(one, f"{name}[{key}]", str) for key, one in value.items()}
    _require(isinstance(value, str) and value.strip() != "", name, value, "a text that is not empty")
    return value
