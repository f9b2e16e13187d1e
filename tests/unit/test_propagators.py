import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.propagators import check_propagators

SERVE = "import sys; from service.__main__ import main; sys.exit(main(['serve']))"


def serve(**environment: str) -> "subprocess.CompletedProcess[str]":
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("EARMARK_", "OTEL_"))}
    return subprocess.run(
        [sys.executable, "-c", SERVE],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env=inherited | environment,
    )


@pytest.mark.parametrize("tracing", ["0", "1"])
def test_a_propagator_that_is_not_installed_is_a_start_error_of_one_line(tracing: str) -> None:
    done = serve(OTEL_PROPAGATORS="tracecontext,pigeon", EARMARK_TRACING=tracing)
    assert done.returncode == 2
    assert done.stderr == (
        "earmark: OTEL_PROPAGATORS is 'tracecontext,pigeon'; "
        "accepted: tracecontext, baggage and none, or others whose packages are installed\n"
    )


def test_installed_propagators_are_accepted() -> None:
    check_propagators()
