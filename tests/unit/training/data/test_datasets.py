import re

import pytest

from tests.tiny_pack import build_tiny_pack
from training.data.datasets import ADAPTERS, read_dataset


def test_a_pack_is_captioned_with_its_labels(tmp_path):
    examples = read_dataset("pack", build_tiny_pack(tmp_path))
    assert examples
    assert all(example.captions and not example.events for example in examples)


def test_an_unknown_data_set_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match=r"'birds'; one of .*pack"):
        read_dataset("birds", tmp_path)


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_an_empty_folder_is_an_error_that_names_it(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path))):
        read_dataset(name, tmp_path)


def test_the_log_counts_the_entries_left_out_and_shows_the_first(tmp_path, caplog):
    folder = build_tiny_pack(tmp_path)
    for name in ("tone0", "hiss1"):
        (folder / "clips" / f"{name}.flac").unlink()
    assert len(read_dataset("pack", folder)) == 26
    (record,) = caplog.records
    missing = folder / "clips" / "tone0.flac"
    assert (
        record.getMessage()
        == f"pack in {folder}: left out 2 entries (missing file); the first: {missing}: file not found"
    )
