"""Versions of the parts that the running service consists of."""

import importlib.metadata
import platform

_RUNTIMES = ("onnxruntime-gpu", "onnxruntime")


def build_versions(version: str) -> dict[str, str]:
    """Versions by part, as labels of a metric.

    Args:
        version: Version of the service.
    """
    return {"version": version, "python": platform.python_version(), "onnxruntime": _runtime_version()}


def _runtime_version() -> str:
    """Version of the installed ONNX Runtime, read without loading it; "none" if it is not installed."""
    for name in _RUNTIMES:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "none"
