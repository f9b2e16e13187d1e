"""The sandbox of a decoder: permissions that its process gives up for ever before the first clip arrives.

Threat model: a clip exploits a bug of an audio library and runs code of its sender in the decoder. This code must not
read files, memory or secrets of the service, reach the network, start programs, change files or disturb other
processes. It can still waste CPU time and memory up to the limits, and answer wrongly for its clip and for later clips
of the same process.
"""

import ctypes
import os
import resource
import sys
from collections.abc import Callable

from service.engine.syscall_filter import install_syscall_filter

MEMORY_BYTES = 1 << 30
"""Limit of the process's address space. Python and the audio libraries take about a third of it, a clip a few MiB."""
PROTECTIONS = ("memory limit", "other limits", "change of user", "system call filter")
"""Names of the protections, in the order in which a process activates them."""
_NOBODY = 65534
_CAPABILITY_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3 of linux/capability.h
_MAX_OPEN_FILES = 16  # standard streams, the socket twice, the clip
_CPU_GRACE_S = 5


def enter_sandbox(cpu_s: int) -> dict[str, str]:
    """Restricts this process for ever to the operations that decoding needs.

    Everything that decoding uses must have been imported: no file can be opened afterwards.

    Args:
        cpu_s: CPU time that the process may use in all, in seconds; then SIGXCPU ends the process.

    Returns:
        The protections in `PROTECTIONS` that could not be activated, with the reasons.
    """
    steps: dict[str, Callable[[], None]] = {
        "memory limit": lambda: _limit(resource.RLIMIT_AS, MEMORY_BYTES),  # macOS refuses it
        "other limits": lambda: _set_other_limits(cpu_s),
        "change of user": _give_up_privileges,
        "system call filter": install_syscall_filter,
    }
    missing: dict[str, str] = {}
    for name in PROTECTIONS:
        try:
            steps[name]()
        except (OSError, ValueError, AttributeError) as error:  # AttributeError: the C library lacks a function
            missing[name] = str(error)
    return missing


def _set_other_limits(cpu_s: int) -> None:
    _limit(resource.RLIMIT_CPU, cpu_s, cpu_s + _CPU_GRACE_S)
    _limit(resource.RLIMIT_FSIZE, 0)  # a write to a file fails; pipes and sockets are not affected
    _limit(resource.RLIMIT_NOFILE, _MAX_OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)


def _limit(kind: int, soft: int, hard: int | None = None) -> None:
    """Sets a limit; keeps a limit of the service that is lower."""
    _, current = resource.getrlimit(kind)
    ceiling = float("inf") if current == resource.RLIM_INFINITY else current
    hard = soft if hard is None else hard
    resource.setrlimit(kind, (int(min(soft, ceiling)), int(min(hard, ceiling))))


def _give_up_privileges() -> None:
    """Becomes the user nobody if the process runs as root, and drops the capabilities of any user.

    Root may read the environment of the service. A user other than root may have capabilities by "ambient" inheritance.
    """
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
    if sys.platform == "linux":
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
        none = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, twice
        if ctypes.CDLL(None, use_errno=True).capset(header, none) != 0:
            raise OSError(ctypes.get_errno(), f"capset: {os.strerror(ctypes.get_errno())}")
