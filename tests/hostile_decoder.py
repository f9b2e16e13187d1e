"""A decoder that has been taken over, for tests: it runs as a decoder does, but a clip can give it orders.

`hostile_executable` makes a program that stands in for the Python interpreter (`sys.executable`), so that the service
starts this module exactly as it starts `service.engine.decoder_process`. An order is JSON behind the audio of a clip.
"""

# ruff: noqa: PTH101, PTH102, PTH104, PTH108, PTH115, PTH116, PTH208 - attacks are named after their system calls

import contextlib
import ctypes
import errno
import json
import mmap
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from service.core.errors import AudioUndecodable
from service.engine import decoder_process, sandbox, syscall_filter
from service.engine.decoding import decode
from tests.bpf import run_filter

_ORDER = b"ORDER:"
_SYSTEM_CALLS = 512
_MACHINE = os.uname().machine
_PROBES = {335, 336} if _MACHINE == "x86_64" else set[int]()
"""uretprobe and uprobe: the kernel lets no filter see them, and ends a process that calls them without a probe."""
_libc = ctypes.CDLL(None, use_errno=True)


def with_order(clip: bytes, **order: Any) -> bytes:
    """A clip with an order: `do`, its arguments, and `attempts`, the numbers of the processes that follow it."""
    return clip + _ORDER + json.dumps(order).encode()


def hostile_executable(directory: Path, *modes: str) -> str:
    """A program that stands in for the Python interpreter and starts this module; it counts its starts."""
    program, starts = directory / "python", directory / "starts"
    starts.write_text("")
    program.write_text(
        f"#!{sys.executable}\n"
        "import os, sys\n"
        f"with open({str(starts)!r}, 'a+') as file: file.write('.'); n_starts = file.tell()\n"
        "args = [arg.replace('service.engine.decoder_process', 'tests.hostile_decoder')"
        " for arg in sys.argv[1:]]\n"
        f"os.execv({sys.executable!r}, [{sys.executable!r}, *args, str(n_starts), *{modes!r}])\n"
    )
    program.chmod(0o755)
    return str(program)


def n_starts(directory: Path) -> int:
    """Number of processes that the program of `hostile_executable` has started."""
    return len((directory / "starts").read_text())


def _hostile_decode(clip: BinaryIO, *args: Any) -> Generator[np.ndarray, None, Any]:
    clip.seek(0)
    _, found, text = clip.read().rpartition(_ORDER)
    order: dict[str, Any] = json.loads(text.decode("latin-1")) if found else {"attempts": []}
    blocks = decode(clip, *args)
    if int(sys.argv[3]) not in order.pop("attempts", range(1000)):
        return (yield from blocks)
    for _ in range(order.pop("after_blocks", 0)):
        yield next(blocks)
    yield from _ACTIONS[order.pop("do")](clip, **order)
    return (yield from blocks)


def _report(outcomes: Any) -> None:
    raise AudioUndecodable("", json.dumps(outcomes))


def _attack(clip: BinaryIO, **facts: Any) -> Iterable[np.ndarray]:
    _report({name: _outcome(attack) for name, attack in _attacks(clip, **facts).items()})
    return []


def _outcome(attack: Callable[[], Any]) -> str:
    try:
        result = attack()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return f"succeeded: {result}"


def _c(name: str, *args: Any) -> None:
    if getattr(_libc, name)(*args) == -1:
        raise OSError(ctypes.get_errno(), name)


def _attacks(clip: BinaryIO, bundle: str, port: int, parent: int) -> dict[str, Callable[[], Any]]:
    connection = int(sys.argv[1])
    own_file = f"/proc/self/fd/{connection}"
    return {
        "tcp socket": lambda: socket.socket(socket.AF_INET),
        "udp socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "unix socket": lambda: socket.socket(socket.AF_UNIX),
        "netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
        "socket pair": socket.socketpair,
        "connect": lambda: _c(
            "connect", connection, b"\x02\0" + port.to_bytes(2, "big") + b"\x7f\0\0\x01" + b"\0" * 8, 16
        ),
        "send descriptor": lambda: _c("sendmsg", connection, None, 0),
        "exec": lambda: os.execv("/bin/sh", ["sh", "-c", "exit 77"]),
        "spawn": lambda: os.posix_spawn("/bin/sh", ["sh"], {}),
        "fork": os.fork,
        "new namespace": lambda: _c("unshare", 0x10000000),
        "read a file": lambda: os.open("/etc/passwd", os.O_RDONLY),
        "read environment of the service": lambda: os.open(f"/proc/{parent}/environ", os.O_RDONLY),
        "read own environment": lambda: os.open("/proc/self/environ", os.O_RDONLY),
        "read memory of the service": lambda: os.open(f"/proc/{parent}/mem", os.O_RDONLY),
        "write the bundle": lambda: os.open(bundle, os.O_WRONLY),
        "truncate the bundle": lambda: os.truncate(bundle, 0),
        "make a file": lambda: os.open("/tmp/earmark-attack", os.O_CREAT | os.O_WRONLY),
        "make a file in memory": lambda: os.memfd_create("x"),
        "open a descriptor again": lambda: os.open(own_file, os.O_RDWR),
        "open the root": lambda: os.open("/", os.O_RDONLY),
        "list a directory": lambda: os.listdir("/"),
        "stat": lambda: os.stat("/etc/passwd"),
        "readlink": lambda: os.readlink("/proc/self/exe"),
        "unlink": lambda: os.unlink(bundle),
        "rename": lambda: os.rename(bundle, bundle + "x"),
        "link": lambda: os.link(bundle, bundle + "x"),
        "chmod": lambda: os.chmod(bundle, 0o777),
        "mkdir": lambda: os.mkdir(bundle + "x"),
        "chdir": lambda: os.chdir("/"),
        "chroot": lambda: os.chroot("/"),
        "duplicate a descriptor": lambda: os.dup(0),
        "truncate the clip": lambda: os.ftruncate(clip.fileno(), 0) if _has_file(clip) else os.ftruncate(0, 0),
        "signal to the service": lambda: os.kill(parent, 0),
        "kill the service": lambda: os.kill(parent, signal.SIGTERM),
        "kill everybody": lambda: os.kill(-1, 0),
        "kill itself from afar": lambda: os.kill(os.getpid(), 0),
        "kill the group of the service": lambda: os.killpg(parent, 0),
        "queue a signal": lambda: _c("sigqueue", parent, 0, None),
        "handle of a process": lambda: os.pidfd_open(parent),
        "ptrace": lambda: _c("ptrace", 16, parent, None, None),
        "read memory of a process": lambda: _c("process_vm_readv", parent, None, 0, None, 0, 0),
        "priority of a process": lambda: os.setpriority(os.PRIO_PROCESS, parent, 19),
        "mount": lambda: _c("mount", b"none", b"/tmp", b"tmpfs", 0, None),
        "prctl": lambda: _c("prctl", 4, 1, 0, 0, 0),
        "become root": lambda: os.setresuid(0, 0, 0),
        "change groups": lambda: os.setgroups([0]),
        "owner of a descriptor": lambda: _c("fcntl", connection, 8, parent),
        "ioctl": lambda: os.get_terminal_size(connection),
        "shared memory": lambda: mmap.mmap(-1, 4096, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS),
        "raise a limit": lambda: _raise_limit(resource.RLIMIT_CPU),
    }


def _raise_limit(kind: int) -> None:
    try:
        resource.setrlimit(kind, (-1, -1))
    except ValueError as error:  # Python's translation of EPERM
        raise PermissionError(errno.EPERM, str(error)) from error


def _has_file(clip: BinaryIO) -> bool:
    with contextlib.suppress(OSError):
        return clip.fileno() >= 0
    return False


def _attack_clip(clip: BinaryIO) -> Iterable[np.ndarray]:
    """Tries to change the file of a clip that came as a descriptor."""
    file = clip.fileno()
    attacks: dict[str, Callable[[], Any]] = {
        "write": lambda: os.write(file, b"x"),
        "write a vector": lambda: os.writev(file, [b"x"]),
        "write at a position": lambda: os.pwrite(file, b"x", 0),
        "truncate": lambda: os.ftruncate(file, 0),
        "map": lambda: mmap.mmap(file, 4096, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ | mmap.PROT_WRITE),
    }
    _report({name: _outcome(attack) for name, attack in attacks.items()})
    return []


def _sweep(clip: BinaryIO) -> Iterable[np.ndarray]:
    """Makes every system call that the filter does not allow, with zeros as arguments; reports those that do not fail."""
    program = syscall_filter.filter_program(_MACHINE, os.getpid())
    outcomes: dict[int, str] = {}
    for number in range(_SYSTEM_CALLS):
        if run_filter(program, _MACHINE, number) != "EPERM" or number in _PROBES:
            continue
        result = _libc.syscall(ctypes.c_long(number), *[ctypes.c_ulong(0)] * 6)
        if result != -1 or ctypes.get_errno() != errno.EPERM:
            outcomes[number] = f"{result} {errno.errorcode.get(ctypes.get_errno())}"
    _report(outcomes)
    return []


def _thread(clip: BinaryIO) -> Iterable[np.ndarray]:
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(sum(range(100))))
    thread.start()
    thread.join()
    _report(results)
    return []


def _environment(clip: BinaryIO) -> Iterable[np.ndarray]:
    _report({"names": sorted(os.environ), "descriptors": [fd for fd in range(64) if _is_open(fd)]})
    return []


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError as error:
        return error.errno != errno.EBADF
    return True


def _crash(clip: BinaryIO, signal_name: str) -> Iterable[np.ndarray]:
    number = getattr(signal, signal_name)
    with contextlib.suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
    return []


def _fail(clip: BinaryIO) -> Iterable[np.ndarray]:
    raise MemoryError("no more")


def _hang(clip: BinaryIO) -> Iterable[np.ndarray]:
    time.sleep(600)
    return []


def _print(clip: BinaryIO, text: str, times: int = 1) -> Iterable[np.ndarray]:
    os.write(2, text.encode("latin-1") * times)
    return []


def _send(clip: BinaryIO, message: str) -> Iterable[np.ndarray]:
    """Sends a message of the process's protocol, in hexadecimal digits, which the service does not expect."""
    content = bytes.fromhex(message)
    os.write(int(sys.argv[1]), len(content).to_bytes(4, "big") + content)
    time.sleep(600)
    return []


_ACTIONS: dict[str, Callable[..., Iterable[np.ndarray]]] = {
    "attack": _attack,
    "attack_clip": _attack_clip,
    "sweep": _sweep,
    "thread": _thread,
    "environment": _environment,
    "crash": _crash,
    "fail": _fail,
    "hang": _hang,
    "print": _print,
    "send": _send,
}


def _unsupported() -> None:
    raise OSError(errno.ENOSYS, "Function not implemented")


if __name__ == "__main__":
    decoder_process.decode = _hostile_decode
    if "unsupported" in sys.argv:
        sandbox.install_syscall_filter = _unsupported
    decoder_process.main(int(sys.argv[1]), int(sys.argv[2]))
