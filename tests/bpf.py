"""An interpreter of seccomp filters: what the kernel would do with a system call, without making it."""

import errno
import struct
from collections.abc import Sequence

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "i386": 0x40000003}


def run_filter(program: bytes, machine: str, number: int, args: Sequence[int] = ()) -> str:
    """The decision of a filter about a system call: "allow", "kill" or the name of an error such as "EPERM"."""
    padded = [*args, *[0] * (6 - len(args))]
    data = struct.pack("<IIQ6Q", number, ARCHITECTURES[machine], 0, *padded)
    instructions = list(struct.iter_unpack("<HBBI", program))
    position, accumulator = 0, 0
    while True:
        operation, if_true, if_false, operand = instructions[position]
        position += 1
        if operation == 0x20:  # load
            (accumulator,) = struct.unpack_from("<I", data, operand)
        elif operation == 0x15:  # jump if equal
            position += if_true if accumulator == operand else if_false
        elif operation == 0x45:  # jump if any bit is set
            position += if_true if accumulator & operand else if_false
        elif operation == 0x06:  # return
            action = operand & 0xFFFF0000
            decisions = {0x7FFF0000: "allow", 0x80000000: "kill"}
            return decisions[action] if action in decisions else errno.errorcode[operand & 0xFFFF]
        else:
            raise ValueError(f"operation {operation:#x}")
