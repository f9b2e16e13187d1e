import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from service.engine.sandbox import PROTECTIONS

ROOT = Path(__file__).parents[3]


def run(program: str) -> "subprocess.CompletedProcess[str]":
    head = "import json, os, resource\nfrom service.engine.sandbox import enter_sandbox\n"
    command = [sys.executable, "-c", head + program]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_every_protection_is_taken_here() -> None:
    assert json.loads(run("print(json.dumps(enter_sandbox(60)))").stdout) == {}


def test_protections_that_the_platform_refuses_are_named_with_the_reasons() -> None:
    missing = json.loads(
        run("enter_sandbox(60)\nprint(json.dumps(enter_sandbox(60)))").stdout
    )  # the filter refuses them
    assert missing.keys() == set(PROTECTIONS) - {"change of user"}
    assert "not permitted" in missing["system call filter"]


def test_lower_limits_of_the_service_stay() -> None:
    limit = "resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\n"
    assert json.loads(run(limit + "print(json.dumps(enter_sandbox(60)))").stdout) == {}


def test_a_process_that_uses_more_cpu_time_than_it_may_is_ended() -> None:
    assert run("enter_sandbox(1)\nwhile True: pass").returncode == -signal.SIGXCPU


@pytest.mark.parametrize("program", ["bytearray(1 << 30)", "os.open('/etc/passwd', os.O_RDONLY)", "os.fork()"])
def test_memory_is_bounded_and_system_calls_are_filtered(program: str) -> None:
    ended = run(f"enter_sandbox(60)\n{program}")
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith(("MemoryError", "PermissionError"))
