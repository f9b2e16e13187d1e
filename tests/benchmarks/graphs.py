"""The audio graph of a bundle, opened without the rest of the service."""

from pathlib import Path

from service.core.manifest import PACKAGED_BUNDLE, read_manifest
from service.engine.options import EngineOptions
from service.engine.sessions import GraphSession


def audio_graph_of_cpus(bundle: Path = PACKAGED_BUNDLE) -> Path:
    """The audio graph that the service runs on a CPU."""
    return bundle / read_manifest(bundle).audio_graph_of_cpus


def open_audio_graph(options: EngineOptions, graph: Path | None = None) -> GraphSession:
    """Opens a graph with the input and output of audio.onnx; by default the one that the service runs on a CPU."""
    return GraphSession(graph or audio_graph_of_cpus(), options, {"waveform": "tensor(float)"}, ["frames"])
