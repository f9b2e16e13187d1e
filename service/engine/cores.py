"""Number of cores that this process may use: those of its affinity, or fewer if a container has a CPU limit."""

import math
import os
from pathlib import Path

_CGROUP_V2 = Path("/sys/fs/cgroup/cpu.max")
_CGROUP_V1 = Path("/sys/fs/cgroup/cpu")


def available_cores() -> int:
    """Number of cores that this process may use, at least 1."""
    try:
        n_cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        n_cores = os.cpu_count() or 1
    return min(n_cores, cores_of_quota() or n_cores)


def cores_of_quota(v2: Path = _CGROUP_V2, v1: Path = _CGROUP_V1) -> int | None:
    """The CPU limit of the container (cgroup), rounded up to whole cores; None without a limit.

    Args:
        v2: File with the limit in cgroup v2, such as "150000 100000", in microseconds.
        v1: Directory with the two numbers in cgroup v1.
    """
    try:
        quota_us, period_us = v2.read_text().split()
    except (OSError, ValueError):
        try:
            quota_us, period_us = ((v1 / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        except OSError:
            return None
    try:
        n_cores = math.ceil(int(quota_us) / int(period_us))
    except (ValueError, ZeroDivisionError):  # "max": no limit
        return None
    return n_cores if n_cores > 0 else None
