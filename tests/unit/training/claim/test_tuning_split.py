from pathlib import Path

import pytest

from tests.tiny_pack import build_tiny_pack
from training.claim.tuning_split import HELD_OUT, is_held_out, write_tuning_pack
from training.data.decoding import decode
from training.data.pack import read_pack_table


def test_one_group_of_ten_is_held_out() -> None:
    held_out = [is_held_out(f"author {number}") for number in range(2000)]
    assert 0.8 / HELD_OUT < sum(held_out) / 2000 < 1.2 / HELD_OUT


def test_the_new_pack_has_the_training_recordings_only_and_splits_them_by_group(tmp_path: Path) -> None:
    pack = build_tiny_pack(tmp_path / "pack", train=12, val=2)
    table = pack / "clips.csv"
    header, *lines = table.read_text().splitlines()
    groups = [f"group {number % 16}" for number in range(len(lines))]
    table.write_text("\n".join([f"{header},group", *(f"{line},{g}" for line, g in zip(lines, groups, strict=True))]))
    write_tuning_pack(pack, tmp_path / "new")
    new = read_pack_table(tmp_path / "new")
    expected = {r.path.resolve(): g for r, g in zip(read_pack_table(pack), groups, strict=True) if r.split == "train"}
    assert {r.path.resolve() for r in new} == set(expected)
    assert all((r.split == "val") == is_held_out(expected[r.path.resolve()]) for r in new)
    assert {r.split for r in new} == {"train", "val"}
    assert len(decode(new[0].path, 16_000)) > 0


def test_a_pack_without_training_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lists no recordings of the split 'train'"):
        write_tuning_pack(build_tiny_pack(tmp_path, train=0), tmp_path / "new")
