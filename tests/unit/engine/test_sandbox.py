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
    twice = "enter_sandbox(60)\nprint(json.dumps(enter_sandbox(60)))"  # the filter refuses to enter again
    missing = json.loads(run(twice).stdout)
    assert missing.keys() == set(PROTECTIONS)
    assert "not permitted" in missing["system call filter"]


def test_capabilities_are_dropped() -> None:
    status = "status = open('/proc/self/status')\nenter_sandbox(60)\nstatus.seek(0)\nprint(status.read())"
    fields = dict(line.split(":\t", 1) for line in run(status).stdout.splitlines() if line)
    assert {int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}


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
