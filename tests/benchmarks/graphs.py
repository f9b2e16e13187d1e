"""The packaged audio graph, opened without the rest of the service."""

from pathlib import Path

from service.core.manifest import AUDIO_GRAPH, PACKAGED_BUNDLE
from service.engine.options import EngineOptions
from service.engine.sessions import GraphSession


def open_audio_graph(options: EngineOptions, graph: Path = PACKAGED_BUNDLE / AUDIO_GRAPH) -> GraphSession:
    """Opens audio.onnx, or another graph with the same input and output."""
    return GraphSession(graph, options, {"waveform": "tensor(float)"}, ["frames"])
