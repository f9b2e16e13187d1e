from pathlib import Path

import numpy as np

from service.library.frame_blocks import BLOCK_FRAMES
from service.library.stored_rows import frame_rows, moment_rows
from tests.library_parts import MODEL, embedding_of, make_library


def test_the_rows_of_several_recordings_carry_their_generations(tmp_path: Path) -> None:
    tables = make_library(tmp_path / "lib").tables
    embeddings = {1000: embedding_of(b"a", BLOCK_FRAMES + 44), 5000: embedding_of(b"b", 20)}
    frames = frame_rows(tables.frames, embeddings)
    assert frames["block_id"].to_pylist() == [1000, 1001, 5000]
    assert frames["generation"].to_pylist() == [1000, 1000, 5000]
    assert np.frombuffer(frames["frames"][2].as_py(), "<f2").tolist() == embeddings[5000].stored.ravel().tolist()
    moments = moment_rows(tables.moments, embeddings, MODEL.grid)
    assert set(moments["generation"].to_pylist()) == {1000, 5000}
    assert moments["end_frame"].to_pylist()[-1] == 20
