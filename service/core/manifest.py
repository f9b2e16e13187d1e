"""The manifest of a model bundle, and the check of the bundle's files against the checksums in the manifest."""

import hashlib
import json
import re
import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast, get_args

from service.core.bundle_errors import BundleFileMissing, ChecksumMismatch, ManifestInvalid
from service.core.errors import ParameterInvalid
from service.core.frame_grid import FrameGrid
from service.core.postprocessing import Postprocessing
from service.core.presence import PresenceRule
from service.core.queries import QueryNormalization
from service.core.query_wording import NEWEST_NORMALIZER
from service.core.scoring import Calibration
from service.core.windows import WindowPlan

SHARED_SIGMOID_FORMAT, TEXT_DEPENDENT_SIGMOID_FORMAT = 2, 3
FORMAT_VERSIONS = (SHARED_SIGMOID_FORMAT, TEXT_DEPENDENT_SIGMOID_FORMAT)
PACKAGED_BUNDLE = Path(__file__).parents[1] / "bundle"
MANIFEST = "manifest.json"
AUDIO_GRAPH = "audio.onnx"
TEXT_GRAPH = "text.onnx"
TOKENIZER = "tokenizer.json"
MODEL_CARD = "MODEL_CARD.md"
BUNDLE_FILES = (AUDIO_GRAPH, TEXT_GRAPH, TOKENIZER, MODEL_CARD)

OPTIONAL_FIELDS = {"presence": None, "query_normalizer_version": 0}
"""Values of the fields that a manifest may leave out."""
MAX_MANIFEST_BYTES = 1 << 20
MAX_WINDOW_S = 600.0
MAX_WINDOW_SAMPLES = 1 << 24
MAX_TEXT_CHARS = 10_000

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LARGEST = {
    "sample_rate_hz": 384_000,
    "hop_samples": MAX_WINDOW_SAMPLES,
    "dimension": 65_536,
    "window_frames": MAX_WINDOW_SAMPLES,
    "max_query_tokens": 4096,
}
"""Largest value of the fields that are integers above 0: far above those of any model, and low enough for any memory."""
_LARGEST_CALIBRATION = 1e6
_shown = reprlib.Repr()
_shown.maxstring = _shown.maxother = _shown.maxlong = 100


@dataclass(frozen=True, slots=True)
class Manifest:
    """The facts about a model that the service needs; the content of manifest.json.

    Attributes:
        format_version: Version of the bundle format. 2: all queries share one sigmoid. 3: text.onnx has a second
            output, `sigmoid`, with a scale and a bias for each query. The fields of both versions are the same.
        name: Name of the model.
        version: Version of the model.
        sample_rate_hz: Sample rate of the waveform that audio.onnx takes, in Hz.
        hop_samples: Samples between frames.
        dimension: D, the dimension of the embeddings of both graphs.
        window_frames: Frames in a window, the fixed-length slice that audio.onnx processes.
        overlap_frames: Frames that neighbouring windows share; at most half a window.
        scale: Scale of the calibration, score = sigmoid(scale * evidence + bias); above 0. In format 2, the evidence is the
            similarity. In format 3, the evidence is the logit: scale of the query * similarity + bias of the query. In
            format 3, a `scale` of 1 and a `bias` of 0 keep the scores of the trained model.
        bias: Bias of the calibration.
        postprocessing: The default settings with which scores become segments.
        max_query_tokens: Longer queries are cut to this number of tokens.
        query_normalization: Change of a query before the tokenizer.
        files: sha256 of every other file of the bundle, in lower-case hex.
        licences: Licences of the model, and of the models and weights from which it was made.
        trained_on: Data that the model was trained on.
        presence: When a query counts as heard in a long clip. The field is optional: without it, every segment counts.
        query_normalizer_version: Version of the rules that reduce a query to the words that name its sound, which the text
            graph was made for; see `service.core.query_wording`. The field is optional: without it, there are no rules.

    Raises:
        ManifestInvalid: On construction, if a value is outside its range.
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
    presence: PresenceRule | None = None
    query_normalizer_version: int = 0

    def __post_init__(self) -> None:
        _require_known_format(self.format_version)
        for name, largest in _LARGEST.items():
            _require(0 < getattr(self, name) <= largest, name, getattr(self, name), f"an integer from 1 to {largest}")
        _require(
            self.window_samples <= min(MAX_WINDOW_SAMPLES, MAX_WINDOW_S * self.sample_rate_hz),
            "window_frames * hop_samples",
            self.window_samples,
            f"at most {MAX_WINDOW_SAMPLES} samples and at most {MAX_WINDOW_S:g} s",
        )
        half = self.window_frames // 2
        _require(0 <= self.overlap_frames <= half, "overlap_frames", self.overlap_frames, f"0 to {half}")
        largest = _LARGEST_CALIBRATION
        _require(0 < self.scale <= largest, "scale", self.scale, f"a number above 0 and at most {largest:g}")
        _require(abs(self.bias) <= largest, "bias", self.bias, f"a number from {-largest:g} to {largest:g}")
        modes = get_args(QueryNormalization)
        _require(self.query_normalization in modes, "query_normalization", self.query_normalization, ", ".join(modes))
        version, newest = self.query_normalizer_version, NEWEST_NORMALIZER
        _require(0 <= version <= newest, "query_normalizer_version", version, f"an integer from 0 to {newest}")
        _require(set(self.files) == set(BUNDLE_FILES), "files", sorted(self.files), ", ".join(BUNDLE_FILES))
        for name, digest in self.files.items():
            _require(_SHA256.fullmatch(digest) is not None, f"files[{name}]", digest, "64 lower-case hex digits")

    @property
    def grid(self) -> FrameGrid:
        """The frames of the curves."""
        return FrameGrid(self.sample_rate_hz, self.hop_samples)

    @property
    def calibration(self) -> Calibration:
        """The sigmoid from evidence to scores."""
        return Calibration(self.scale, self.bias)

    @property
    def has_text_dependent_sigmoids(self) -> bool:
        """Whether text.onnx computes a scale and a bias for each query."""
        return self.format_version == TEXT_DEPENDENT_SIGMOID_FORMAT

    @property
    def text_outputs(self) -> tuple[str, ...]:
        """Names of the outputs of text.onnx: query embeddings (Q, D), and scales and biases (Q, 2) if there are any."""
        return ("embedding", "sigmoid") if self.has_text_dependent_sigmoids else ("embedding",)

    @property
    def window_plan(self) -> WindowPlan:
        """Length and overlap of the windows that a clip is cut into."""
        return WindowPlan(self.window_frames, self.overlap_frames)

    @property
    def window_samples(self) -> int:
        """Samples in a window."""
        return self.grid.n_samples(self.window_frames)

    def to_json(self) -> str:
        """The text of manifest.json. An optional field that has the value of a missing field is left out."""
        document = asdict(self)
        for name, default in OPTIONAL_FIELDS.items():
            if document[name] == default:
                del document[name]
        return json.dumps(document, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Reads the text of manifest.json.

        Raises:
            ManifestInvalid: If the text is not JSON, or a field is missing, unknown, of another type or outside its
                range.
        """
        try:
            document = json.loads(text)
        except ValueError as error:
            raise ManifestInvalid("the document", f"not JSON ({error})", "a JSON object") from error
        except RecursionError as error:
            raise ManifestInvalid("the document", "nested too deeply", "a JSON object") from error
        # the version is checked first, because other versions have other fields
        if isinstance(document, dict) and "format_version" in document:
            _require_known_format(cast(dict[str, Any], document)["format_version"])
        kinds = {field.name: field.type for field in fields(cls)}
        for name in OPTIONAL_FIELDS:
            if isinstance(document, dict) and name not in document:
                del kinds[name]
        return cls(**_read_fields(document, "", kinds))


def verify_bundle(directory: Path) -> Manifest:
    """Reads the manifest of a bundle and checks the sha256 of every other file.

    Raises:
        BundleFileMissing: If manifest.json or a file that it names does not exist.
        ManifestInvalid: If manifest.json is invalid; see `Manifest.from_json`.
        ChecksumMismatch: If the sha256 of a file is not that of the manifest.
    """
    manifest = read_manifest(directory)
    for name, expected_sha256 in manifest.files.items():
        actual_sha256 = file_sha256(_existing(directory, name))
        if actual_sha256 != expected_sha256:
            raise ChecksumMismatch(name, actual_sha256, expected_sha256)
    return manifest


def read_manifest(directory: Path) -> Manifest:
    """Reads the manifest of a bundle.

    Raises:
        BundleFileMissing: If manifest.json does not exist.
        ManifestInvalid: If manifest.json is invalid; see `Manifest.from_json`.
    """
    path = _existing(directory, MANIFEST)
    n_bytes = path.stat().st_size
    if n_bytes > MAX_MANIFEST_BYTES:
        raise ManifestInvalid("the document", f"{n_bytes} bytes long", f"at most {MAX_MANIFEST_BYTES} bytes")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ManifestInvalid("the document", f"not UTF-8 ({error})", "a JSON object in UTF-8") from error
    return Manifest.from_json(text)


def file_sha256(path: Path) -> str:
    """Computes the sha256 of a file, in lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _existing(directory: Path, name: str) -> Path:
    path = directory / name
    if not path.is_file():
        raise BundleFileMissing(str(directory), name)
    return path


def _require(holds: bool, name: str, came: object, accepted: str) -> None:
    """Raises `ManifestInvalid` with a short form of `name` and `came`, which come from the document, unless `holds`."""
    if not holds:
        field = name if name.isprintable() and len(name) <= _shown.maxstring else _shown.repr(name)
        raise ManifestInvalid(field, _shown.repr(came), accepted)


def _require_known_format(version: object) -> None:
    _require(version in FORMAT_VERSIONS, "format_version", version, ", ".join(map(str, FORMAT_VERSIONS)))


def _read_fields(document: Any, prefix: str, kinds: Mapping[str, Any]) -> dict[str, Any]:
    """Checks that a JSON object has exactly the fields in `kinds`, and reads the value of each field as its type."""
    _require(isinstance(document, dict), prefix.rstrip(".") or "the document", document, "a JSON object")
    for name in document:
        _require(name in kinds, f"{prefix}{name}", document[name], f"no such field; known: {', '.join(kinds)}")
    for name in kinds:
        if name not in document:
            raise ManifestInvalid(f"{prefix}{name}", "missing", "a value for every field")
    return {name: _read(document[name], f"{prefix}{name}", kind) for name, kind in kinds.items()}


def _read_group(
    value: Any, name: str, group: type[Postprocessing] | type[PresenceRule]
) -> Postprocessing | PresenceRule:
    """Reads a JSON object as a dataclass whose construction checks the ranges of its fields."""
    values = _read_fields(value, f"{name}.", {field.name: field.type for field in fields(group)})
    try:
        return group(**values)
    except ParameterInvalid as error:
        raise ManifestInvalid(f"{name}.{error.name}", error.came, error.accepted) from error


def _read(value: Any, name: str, kind: Any) -> Any:
    if kind is Postprocessing:
        return _read_group(value, name, Postprocessing)
    if kind == PresenceRule | None:
        return _read_group(value, name, PresenceRule)
    if kind is int:
        _require(type(value) is int, name, value, "an integer")
        return value
    if kind is float:
        _require(type(value) in (int, float), name, value, "a number")
        try:
            return float(value)
        except OverflowError as error:
            raise ManifestInvalid(name, _shown.repr(value), "a number") from error
    if kind == tuple[str, ...]:
        _require(isinstance(value, list), name, value, "a list of texts")
        return tuple(_read(item, f"{name}[{index}]", str) for index, item in enumerate(value))
    if kind == Mapping[str, str]:
        _require(isinstance(value, dict), name, value, "an object of texts")
        return {key: _read(item, f"{name}[{key}]", str) for key, item in value.items()}
    _require(isinstance(value, str) and value.strip() != "", name, value, "a text that is not empty")
    _require(len(value) <= MAX_TEXT_CHARS, name, value, f"at most {MAX_TEXT_CHARS} characters")
    _require(_is_unicode(value), name, value, "Unicode text")
    return value


def _is_unicode(text: str) -> bool:
    """Whether a text has no half of a surrogate pair, which JSON can contain and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
