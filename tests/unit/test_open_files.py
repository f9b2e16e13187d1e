import resource
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("max_files", "max_connections", "possible"),
    [(20_000, 1000, (1000, 8192)), (4000, 1000, (1000, 1744)), (1000, 1000, (356, 32)), (100, 1000, (16, 32))],
)
def test_the_connections_fit_the_files_that_the_process_may_open(
    max_files: int, max_connections: int, possible: tuple[int, int]
) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < max_files:
        pytest.fail(f"this test needs a hard limit of {max_files} open files")
    program = (
        f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (50, {max_files}));"
        f"from service.open_files import limit_connections; print(limit_connections({max_connections}))"
    )
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert output.strip() == str(possible)
