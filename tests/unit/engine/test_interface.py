import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from service.engine.engine import Engine, open_engine
from service.engine.interface import LocalizationEngine, WindowQueue
from service.engine.options import EngineOptions
from tests.unit.api.fake_engine import FakeEngine


def _members(protocol: type) -> set[str]:
    return {name for name in vars(protocol) if not name.startswith("_")}


def test_the_engine_and_the_fake_engine_have_all_members_of_the_protocols(tiny_bundle: Path) -> None:
    engine = open_engine(tiny_bundle, EngineOptions())
    for candidate in (engine, FakeEngine()):
        assert {name for name in _members(LocalizationEngine) if not hasattr(candidate, name)} == set()
        assert {name for name in _members(WindowQueue) if not hasattr(candidate.batcher, name)} == set()
    engine.close()


@pytest.mark.parametrize("implementation", [Engine, FakeEngine])
@pytest.mark.parametrize("method", ["localize", "knows_clip", "check"])
def test_methods_take_the_parameters_of_the_protocol(implementation: type, method: str) -> None:
    signatures = (inspect.signature(getattr(owner, method)) for owner in (implementation, LocalizationEngine))
    assert len({tuple((p.name, p.default, p.annotation) for p in s.parameters.values()) for s in signatures}) == 1


@pytest.mark.parametrize("module", ["service.engine.interface", "service.app"])
def test_importing_the_interface_or_the_app_does_not_load_onnx_runtime(module: str) -> None:
    code = f"import sys, {module}; sys.exit('onnxruntime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3]).returncode == 0
