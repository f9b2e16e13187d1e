"""A seccomp filter for Linux: the system calls that a decoder may make once it has started.

The filter is an allow-list. A call that is not on the list fails with EPERM, as it fails for a process without the
permission: a library that only tries a call continues without it, and a decoder that has been taken over gains nothing.
A call through the system call table of another architecture ends the process.

The filter is a program for the kernel's packet filter machine (BPF). The available Python bindings of libseccomp need
its shared library, which slim images do not always have, or a compiler, and this list needs few of their features.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass

_ALLOWED: Mapping[str, tuple[int | None, int | None]] = {
    # The socket, the clip and standard error: all of them are open already.
    "read": (0, 63),
    "readv": (19, 65),
    "pread64": (17, 67),
    "lseek": (8, 62),
    "recvmsg": (47, 212),  # receives the descriptor of a clip
    "write": (1, 64),
    "writev": (20, 66),
    "fstat": (5, 80),
    "close": (3, 57),
    "poll": (7, None),
    "ppoll": (271, 73),
    # Memory.
    "munmap": (11, 215),
    "mremap": (25, 216),
    "mprotect": (10, 226),
    "brk": (12, 214),
    "madvise": (28, 233),
    # Threads of this process.
    "futex": (202, 98),
    "set_robust_list": (273, 99),
    "rseq": (334, 293),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "gettid": (186, 178),
    "getpid": (39, 172),
    "exit": (60, 93),
    "exit_group": (231, 94),
    # Signal handlers of this process.
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    # Time and randomness.
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "getrusage": (98, 165),
    "times": (100, 153),
    "getrandom": (318, 278),
}
"""Numbers of the calls that are allowed with any arguments, on x86_64 and on aarch64; None if there is no such call."""
_CLONE, _CLONE3, _MMAP, _NEWFSTATAT, _FCNTL, _TGKILL = (56, 220), (435, 435), (9, 222), (262, 79), (72, 25), (234, 131)
_SECCOMP = (317, 277)

_CLONE_THREAD, _CLONE_NAMESPACES = 0x10000, 0x7E020000
_MAP_SHARED, _AT_EMPTY_PATH, _F_GETFD, _F_GETFL = 1, 0x1000, 1, 3

_AUDIT_ARCH = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column of the tables, and the kernel's number of the architecture (linux/audit.h)."""

# linux/seccomp.h, linux/prctl.h
_RET_KILL_PROCESS, _RET_ERRNO, _RET_ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_SET_MODE_FILTER, _FLAG_TSYNC = 1, 1
_PR_SET_NO_NEW_PRIVS = 38
# linux/bpf_common.h: load a word, jump if equal, jump if any bit is set, return
_LOAD, _JUMP_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER_OFFSET, _ARCH_OFFSET, _ARGS_OFFSET = 0, 4, 16  # of struct seccomp_data
_INSTRUCTION = struct.Struct("HBBI")  # struct sock_filter: operation, jump if true, jump if false, operand


@dataclass(frozen=True, slots=True)
class _Instruction:
    operation: int
    operand: int
    if_true: int = 0
    if_false: int = 0


class _FilterProgram(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def install_syscall_filter() -> None:
    """Installs the filter for all threads of this process, for ever.

    Raises:
        OSError: If the kernel or the platform does not support it.
    """
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _AUDIT_ARCH or sys.maxsize < 2**32:
        raise OSError(errno.ENOSYS, f"there is no system call filter for {sys.platform} on {machine}")
    code = filter_program(machine, os.getpid())
    program = _FilterProgram(len(code) // _INSTRUCTION.size, code)
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, *(ctypes.c_ulong(value) for value in (1, 0, 0, 0))))
    column, _ = _AUDIT_ARCH[machine]
    number = ctypes.c_long(_SECCOMP[column])
    _check(libc.syscall(number, ctypes.c_ulong(_SET_MODE_FILTER), ctypes.c_ulong(_FLAG_TSYNC), ctypes.byref(program)))


def _check(result: int) -> None:
    """Raises an OSError if a C function failed; a positive result is a thread that did not accept the filter."""
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if result > 0:
        raise OSError(errno.ESRCH, f"thread {result} does not accept the system call filter")


def filter_program(machine: str, process_id: int) -> bytes:
    """The filter as an array of `struct sock_filter`.

    Args:
        machine: "x86_64" or "aarch64".
        process_id: The process that installs the filter, which may send signals to its own threads only.
    """
    column, architecture = _AUDIT_ARCH[machine]
    program = [
        _Instruction(_LOAD, _ARCH_OFFSET),
        _Instruction(_JUMP_EQUAL, architecture, if_true=1),
        _Instruction(_RETURN, _RET_KILL_PROCESS),
        _Instruction(_LOAD, _NUMBER_OFFSET),
    ]
    for numbers in _ALLOWED.values():
        if (number := numbers[column]) is not None:
            program += _if_call(number, [_allow()])
    program += _if_call(_CLONE[column], _if_thread())
    program += _if_call(_CLONE3[column], [_refuse(errno.ENOSYS)])  # its flags are in memory; libc falls back to clone
    program += _if_call(_MMAP[column], _if_private())
    program += _if_call(_NEWFSTATAT[column], _if_argument_is(3, _AT_EMPTY_PATH))  # glibc's fstat
    program += _if_call(_FCNTL[column], _if_argument_is(1, _F_GETFD, _F_GETFL))
    program += _if_call(_TGKILL[column], _if_argument_is(0, process_id))  # abort() and raise()
    program.append(_refuse())
    return b"".join(_INSTRUCTION.pack(item.operation, item.if_true, item.if_false, item.operand) for item in program)


def _allow() -> _Instruction:
    return _Instruction(_RETURN, _RET_ALLOW)


def _refuse(error_number: int = errno.EPERM) -> _Instruction:
    return _Instruction(_RETURN, _RET_ERRNO | error_number)


def _if_call(number: int, body: list[_Instruction]) -> list[_Instruction]:
    """Runs `body`, which must return, for one system call; the number of the call is loaded before and after."""
    return [_Instruction(_JUMP_EQUAL, number, if_false=len(body)), *body]


def _load_argument(position: int) -> _Instruction:
    """Loads the lower 32 bits of an argument; the kernel reads no more of those that the filter checks."""
    return _Instruction(_LOAD, _ARGS_OFFSET + 8 * position)


def _if_argument_is(position: int, *accepted: int) -> list[_Instruction]:
    """Allows a call if the argument has one of the accepted values."""
    checks = [part for value in accepted for part in (_Instruction(_JUMP_EQUAL, value, if_false=1), _allow())]
    return [_load_argument(position), *checks, _refuse()]


def _if_thread() -> list[_Instruction]:
    """Allows clone if it makes a thread of this process, and no namespace."""
    return [
        _load_argument(0),
        _Instruction(_JUMP_SET, _CLONE_NAMESPACES, if_true=2),
        _Instruction(_JUMP_SET, _CLONE_THREAD, if_false=1),
        _allow(),
        _refuse(),
    ]


def _if_private() -> list[_Instruction]:
    """Allows mmap unless the mapping is shared: writes to a shared mapping would change the file of the clip."""
    return [_load_argument(3), _Instruction(_JUMP_SET, _MAP_SHARED, if_false=1), _refuse(), _allow()]
