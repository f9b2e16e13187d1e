import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_onnx_runtime_keeps_no_identity_of_the_machine_to_report_with(tmp_path: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment = inherited | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", "import service.engine.sessions"], cwd=ROOT, env=environment, check=True)
    assert list(tmp_path.iterdir()) == []
