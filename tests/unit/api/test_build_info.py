import importlib.metadata
import platform

from service.api.build_info import build_versions


def test_versions_are_those_of_the_installed_parts() -> None:
    assert build_versions("1.2.3") == {
        "version": "1.2.3",
        "python": platform.python_version(),
        "onnxruntime": importlib.metadata.version("onnxruntime"),
    }
