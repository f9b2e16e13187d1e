"""A small working bundle that is built in milliseconds: it detects pure tones, and its words are the pitches of the tones."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace

from service.core.manifest import BUNDLE_FILES, MANIFEST, OPTIONAL_FILES
from tests.manifests import make_manifest

SAMPLE_RATE_HZ = 16_000
HOP_SAMPLES = 640
WINDOW_FRAMES = 25
OVERLAP_FRAMES = 5
DIMENSION = 8
TONES_HZ = {"low": 250, "middle": 1_000, "high": 3_000}
_BANDS_HZ = (250, 1_000, 3_000, 5_000, 5_500, 6_000, 6_500)  # the last dimension stands for silence
_WORDS = {"[PAD]": None, "[UNK]": 6, "low": 0, "middle": 1, "high": 2, "a": None, "tone": None, "and": None}
_SILENCE = 0.02


def build_tiny_bundle(directory: Path) -> Path:
    """Writes the bundle to a directory, which is created if it is missing, and returns the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    onnx.save(_audio_graph(), directory / "audio.onnx")
    onnx.save(_text_graph(), directory / "text.onnx")
    _tokenizer().save(str(directory / "tokenizer.json"))
    (directory / "MODEL_CARD.md").write_text("# tiny\n\nHears tones of 250, 1000 and 3000 Hz.\n")
    sign_bundle(directory)
    return directory


def sign_bundle(directory: Path, **changes: object) -> None:
    """Writes a manifest with the checksums of the files, and with some other fields changed."""
    present = [*BUNDLE_FILES, *(name for name in OPTIONAL_FILES if (directory / name).exists())]
    files = {name: hashlib.sha256((directory / name).read_bytes()).hexdigest() for name in present}
    manifest = make_manifest(
        **{"window_frames": WINDOW_FRAMES, "overlap_frames": OVERLAP_FRAMES, "files": files} | changes
    )
    (directory / MANIFEST).write_text(manifest.to_json())


def _audio_graph() -> onnx.ModelProto:
    """Waveform (B, N) -> strength of each band in each frame, and a constant, at unit length: (B, T, D)."""
    time_s = np.arange(HOP_SAMPLES) / SAMPLE_RATE_HZ
    taper = np.hanning(HOP_SAMPLES)[:, None] * 2 / np.hanning(HOP_SAMPLES).sum()
    angle = 2 * np.pi * time_s[:, None] * np.array(_BANDS_HZ)[None]
    constants = {
        "frame_shape": np.array([0, -1, HOP_SAMPLES], np.int64),
        "cosines": (taper * np.cos(angle)).astype(np.float32),
        "sines": (taper * np.sin(angle)).astype(np.float32),
        "pad_shape": np.array([0, 0, 0, 0, 0, 1], np.int64),
        "silence": np.array(_SILENCE, np.float32),
    }
    nodes = [
        helper.make_node("Reshape", ["waveform", "frame_shape"], ["sliced"]),
        helper.make_node("MatMul", ["sliced", "cosines"], ["real"]),
        helper.make_node("MatMul", ["sliced", "sines"], ["imaginary"]),
        helper.make_node("Mul", ["real", "real"], ["real_square"]),
        helper.make_node("Mul", ["imaginary", "imaginary"], ["imaginary_square"]),
        helper.make_node("Add", ["real_square", "imaginary_square"], ["power"]),
        helper.make_node("Sqrt", ["power"], ["strength"]),
        helper.make_node("Pad", ["strength", "pad_shape", "silence"], ["features"]),
        helper.make_node("LpNormalization", ["features"], ["frames"], axis=-1, p=2),
    ]
    inputs = [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["B", "N"])]
    outputs = [helper.make_tensor_value_info("frames", TensorProto.FLOAT, ["B", "T", DIMENSION])]
    return _model(nodes, inputs, outputs, constants)


def _text_graph() -> onnx.ModelProto:
    """Token ids and their mask (Q, L) -> mean of the words' vectors, at unit length: (Q, D)."""
    table = np.full((len(_WORDS), DIMENSION), 1e-6, np.float32)
    for row, band in enumerate(_WORDS.values()):
        if band is not None:
            table[row, band] = 1
    constants: dict[str, NDArray[np.generic]] = {
        "table": table,
        "last": np.array([-1], np.int64),
        "tokens": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["vectors"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["weights"]),
        helper.make_node("Mul", ["vectors", "weights"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "tokens"], ["sum"], keepdims=0),
        helper.make_node("LpNormalization", ["sum"], ["embedding"], axis=-1, p=2),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["Q", "L"]) for name in ("input_ids", "attention_mask")
    ]
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["Q", DIMENSION])]
    return _model(nodes, inputs, outputs, constants)


def _model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    constants: dict[str, NDArray[np.generic]],
) -> onnx.ModelProto:
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


def _tokenizer() -> Tokenizer:
    vocabulary = {word: index for index, word in enumerate(_WORDS)}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    return tokenizer
