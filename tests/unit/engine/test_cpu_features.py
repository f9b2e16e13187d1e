from pathlib import Path

import pytest

from service.engine.cpu_features import has_exact_int8


@pytest.mark.parametrize(
    ("content", "is_exact"),
    [
        ("flags\t\t: fpu avx2 avx512_vnni\nflags\t\t: fpu avx512_vnni\n", True),
        ("processor : 0\nflags : fpu avx_vnni avx2\n", True),
        ("flags : fpu avx512_vnni\nflags : fpu avx2\n", False),
        ("flags : fpu avx2 avx512f\n", False),
        ("Features : fp asimd\n", False),
        ("", False),
    ],
)
def test_all_cores_must_add_8_bit_products_exactly(tmp_path: Path, content: str, is_exact: bool) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(content)
    assert has_exact_int8(file) is is_exact


def test_an_unknown_processor_is_taken_as_inexact(tmp_path: Path) -> None:
    assert not has_exact_int8(tmp_path / "missing")
