"""Features of the processor that decide how ONNX Runtime multiplies 8-bit matrices."""

from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")
_VNNI = frozenset({"avx512_vnni", "avx_vnni"})


def has_exact_int8(cpu_info: Path = _CPU_INFO) -> bool:
    """Whether the processor adds products of 8-bit numbers without saturation (VNNI); False if this is unknown.

    Args:
        cpu_info: File of Linux with the flags of each core.
    """
    try:
        lines = cpu_info.read_text().splitlines()
    except OSError:
        return False
    flags = [frozenset(line.partition(":")[2].split()) for line in lines if line.startswith("flags")]
    return bool(flags) and all(core & _VNNI for core in flags)
