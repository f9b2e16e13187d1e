"""The rows of the tables of frames and of moments that embeddings become."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from service.core.frame_grid import FrameGrid
from service.engine.clip_embedding import ClipEmbedding
from service.library.frame_blocks import cut_blocks
from service.library.moments import find_moments
from service.library.tables import columns_table, vector_column


def frame_rows(table: Any, embeddings: Mapping[int, ClipEmbedding]) -> Any:
    """Rows of the table of frames, as an Arrow table.

    Args:
        table: The table of frames, for its schema.
        embeddings: Embeddings of recordings by their generations.
    """
    blocks = [(generation, block) for generation, item in embeddings.items() for block in cut_blocks(item.stored)]
    return columns_table(
        table,
        {
            "block_id": [generation + block.number for generation, block in blocks],
            "generation": [generation for generation, _ in blocks],
            "crc32": [block.crc32 for _, block in blocks],
            "frames": [block.content for _, block in blocks],
        },
    )


def moment_rows(table: Any, embeddings: Mapping[int, ClipEmbedding], grid: FrameGrid) -> Any:
    """Rows of the table of moments, as an Arrow table; see `frame_rows`.

    Args:
        table: The table of moments, for its schema.
        embeddings: Embeddings of recordings by their generations.
        grid: The frames of the recordings.
    """
    found = [(generation, find_moments(item.stored, grid)) for generation, item in embeddings.items()]
    generations = [np.full(len(moments.vectors), generation, np.int64) for generation, moments in found]
    return columns_table(
        table,
        {
            "generation": np.concatenate(generations),
            "first_frame": np.concatenate([moments.first_frames for _, moments in found]),
            "end_frame": np.concatenate([moments.end_frames for _, moments in found]),
            "vector": vector_column(np.concatenate([moments.vectors for _, moments in found])),
            "cells": [code for _, moments in found for code in moments.cells],
        },
    )
