import subprocess
import sys
from pathlib import Path

import pytest

from service.engine.syscall_filter import filter_program
from tests.bpf import run_filter

MACHINES = ["x86_64", "aarch64"]
OWN_ID = 4321
READ, WRITE = (0, 63), (1, 64)
REFUSED = {  # numbers on x86_64 and aarch64, from the kernel's asm/unistd_64.h and asm-generic/unistd.h
    "open": (2, None),
    "openat": (257, 56),
    "openat2": (437, 437),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "mount": (165, 40),
    "umount2": (166, 39),
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "prctl": (157, 167),
    "seccomp": (317, 277),
    "setuid": (105, 146),
    "setresuid": (117, 147),
    "setgroups": (116, 159),
    "capset": (126, 91),
    "unshare": (272, 97),
    "setns": (308, 268),
    "chroot": (161, 51),
    "ftruncate": (77, 46),
    "pwrite64": (18, 68),
    "unlinkat": (263, 35),
    "renameat2": (316, 276),
    "memfd_create": (319, 279),
    "dup": (32, 23),
    "ioctl": (16, 29),
    "prlimit64": (302, 261),
    "setrlimit": (160, 164),
    "init_module": (175, 105),
    "reboot": (169, 142),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize(("column", "machine"), list(enumerate(MACHINES)))
def test_a_call_that_decoding_does_not_need_fails(column: int, machine: str, name: str) -> None:
    number = REFUSED[name][column]
    program = filter_program(machine, OWN_ID)
    for args in ([], [2**32 - 1] * 6, [2**64 - 1] * 6):
        assert number is None or run_filter(program, machine, number, args) == "EPERM"


@pytest.mark.parametrize(("column", "machine"), list(enumerate(MACHINES)))
def test_reading_and_writing_of_open_files_is_allowed(column: int, machine: str) -> None:
    program = filter_program(machine, OWN_ID)
    assert run_filter(program, machine, READ[column]) == run_filter(program, machine, WRITE[column]) == "allow"


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_of_another_architecture_end_the_process(machine: str) -> None:
    (other,) = set(MACHINES) - {machine}
    for architecture in (other, "i386"):
        assert run_filter(filter_program(machine, OWN_ID), architecture, 0) == "kill"


def test_calls_with_the_numbers_of_x32_and_unknown_calls_fail() -> None:
    program = filter_program("x86_64", OWN_ID)
    assert all(run_filter(program, "x86_64", 0x40000000 + number) == "EPERM" for number in range(600))
    assert all(run_filter(program, "x86_64", number) == "EPERM" for number in range(436, 2000))


@pytest.mark.parametrize(
    ("numbers", "args", "decision"),
    [
        pytest.param((56, 220), [0x3D0F00], "allow", id="clone: a thread of glibc"),
        pytest.param((56, 220), [0x1200011], "EPERM", id="clone: fork"),
        pytest.param((56, 220), [0x4111], "EPERM", id="clone: vfork"),
        pytest.param((56, 220), [0x3D0F00 | 0x10000000], "EPERM", id="clone: a thread in a new user namespace"),
        pytest.param((56, 220), [0x20011], "EPERM", id="clone: a process in a new mount namespace"),
        pytest.param((435, 435), [0, 88], "ENOSYS", id="clone3"),
        pytest.param((9, 222), [0, 4096, 3, 0x22, 2**64 - 1, 0], "allow", id="mmap: private and anonymous"),
        pytest.param((9, 222), [0, 4096, 3, 0x01, 5, 0], "EPERM", id="mmap: shared"),
        pytest.param((9, 222), [0, 4096, 3, 0x03, 5, 0], "EPERM", id="mmap: shared and validated"),
        pytest.param((262, 79), [5, 0, 0, 0x1000], "allow", id="newfstatat: fstat"),
        pytest.param((262, 79), [2**64 - 100, 0, 0, 0], "EPERM", id="newfstatat: stat"),
        pytest.param((72, 25), [5, 3], "allow", id="fcntl: F_GETFL"),
        pytest.param((72, 25), [5, 8, 1], "EPERM", id="fcntl: F_SETOWN"),
        pytest.param((72, 25), [5, 0], "EPERM", id="fcntl: F_DUPFD"),
        pytest.param((234, 131), [OWN_ID, OWN_ID, 6], "allow", id="tgkill: abort"),
        pytest.param((234, 131), [1, 1, 9], "EPERM", id="tgkill: another process"),
    ],
)
@pytest.mark.parametrize(("column", "machine"), list(enumerate(MACHINES)))
def test_some_calls_are_allowed_with_some_arguments(
    column: int, machine: str, numbers: tuple[int, int], args: list[int], decision: str
) -> None:
    assert run_filter(filter_program(machine, OWN_ID), machine, numbers[column], args) == decision


def test_the_kernel_applies_the_filter_to_all_threads_for_ever() -> None:
    program = """
import os, threading
from service.engine.syscall_filter import install_syscall_filter
def refused(call):
    try:
        call()
    except PermissionError:
        return True
installed, results = threading.Event(), []
early = threading.Thread(target=lambda: (installed.wait(), results.append(refused(os.fork))))
early.start()
install_syscall_filter()
installed.set()
early.join()
print(results, refused(os.fork), refused(lambda: open("/etc/passwd")), refused(install_syscall_filter))
"""
    root = Path(__file__).parents[3]
    run = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout == "[True] True True True\n"
