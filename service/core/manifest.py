"""The manifest of a model bundle, and the check of the bundle's files against the checksums in the manifest."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from service.core.bundle_errors import BundleFileMissing, ChecksumMismatch, ManifestInvalid
from service.core.frame_grid import FrameGrid
from service.core.manifest_fields import read_document, require, to_document
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
CPU_AUDIO_GRAPH = "audio_cpu.onnx"
TEXT_GRAPH = "text.onnx"
TOKENIZER = "tokenizer.json"
MODEL_CARD = "MODEL_CARD.md"
BUNDLE_FILES = (AUDIO_GRAPH, TEXT_GRAPH, TOKENIZER, MODEL_CARD)
OPTIONAL_FILES = (CPU_AUDIO_GRAPH,)

MAX_MANIFEST_BYTES = 1 << 20
MAX_WINDOW_S = 600.0
MAX_WINDOW_SAMPLES = 1 << 24

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


@dataclass(frozen=True, slots=True)
class Manifest:
    """The facts about a model that the service needs; the content of manifest.json.

    Attributes:
        format_version: Version of the bundle format. 2: all queries share one sigmoid. 3: text.onnx has a second
            output, `sigmoid`, with a scale and a bias for each query. The fields of both versions are the same.
        name: Name of the model.
        version: Version of the model.
        sample_rate_hz: Sample rate of the waveform that the audio graphs take, in Hz.
        hop_samples: Samples between frames.
        dimension: D, the dimension of the embeddings of both graphs.
        window_frames: Frames in a window, the fixed-length slice that the audio graphs process.
        overlap_frames: Frames that neighbouring windows share; at most half a window.
        scale: Scale of the calibration, score = sigmoid(scale * evidence + bias); above 0. In format 2, the evidence is the
            similarity. In format 3, the evidence is the logit: scale of the query * similarity + bias of the query. In
            format 3, a `scale` of 1 and a `bias` of 0 keep the scores of the trained model.
        bias: Bias of the calibration.
        postprocessing: The default settings with which scores become segments.
        max_query_tokens: Longer queries are cut to this number of tokens.
        query_normalization: Change of a query before the tokenizer.
        files: sha256 of every other file of the bundle, in lower-case hex. The files of `OPTIONAL_FILES` may be missing.
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
            require(0 < getattr(self, name) <= largest, name, getattr(self, name), f"an integer from 1 to {largest}")
        require(
            self.window_samples <= min(MAX_WINDOW_SAMPLES, MAX_WINDOW_S * self.sample_rate_hz),
            "window_frames * hop_samples",
            self.window_samples,
            f"at most {MAX_WINDOW_SAMPLES} samples and at most {MAX_WINDOW_S:g} s",
        )
        half = self.window_frames // 2
        require(0 <= self.overlap_frames <= half, "overlap_frames", self.overlap_frames, f"0 to {half}")
        largest = _LARGEST_CALIBRATION
        require(0 < self.scale <= largest, "scale", self.scale, f"a number above 0 and at most {largest:g}")
        require(abs(self.bias) <= largest, "bias", self.bias, f"a number from {-largest:g} to {largest:g}")
        modes = get_args(QueryNormalization)
        require(self.query_normalization in modes, "query_normalization", self.query_normalization, ", ".join(modes))
        version, newest = self.query_normalizer_version, NEWEST_NORMALIZER
        require(0 <= version <= newest, "query_normalizer_version", version, f"an integer from 0 to {newest}")
        accepted = f"{', '.join(BUNDLE_FILES)}, and optionally {', '.join(OPTIONAL_FILES)}"
        require(set(self.files) - set(OPTIONAL_FILES) == set(BUNDLE_FILES), "files", sorted(self.files), accepted)
        for name, digest in self.files.items():
            require(_SHA256.fullmatch(digest) is not None, f"files[{name}]", digest, "64 lower-case hex digits")

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
    def audio_graph_of_cpus(self) -> str:
        """Name of the audio graph that a CPU runs."""
        return CPU_AUDIO_GRAPH if CPU_AUDIO_GRAPH in self.files else AUDIO_GRAPH

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
        """The text of manifest.json, without fields that have their default: older services refuse unknown fields."""
        return json.dumps(to_document(self), indent=2) + "\n"

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
        return read_document(document, cls)


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


def _require_known_format(version: object) -> None:
    require(version in FORMAT_VERSIONS, "format_version", version, ", ".join(map(str, FORMAT_VERSIONS)))
