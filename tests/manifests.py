"""A manifest for tests that need no model."""

from typing import Any

from service.core.manifest import BUNDLE_FILES, Manifest
from service.core.postprocessing import Postprocessing


def make_manifest(**changes: Any) -> Manifest:
    """Makes a valid manifest with some fields changed."""
    values: dict[str, Any] = {
        "format_version": 2,
        "name": "tiny",
        "version": "1",
        "sample_rate_hz": 16_000,
        "hop_samples": 640,
        "dimension": 8,
        "window_frames": 250,
        "overlap_frames": 50,
        "scale": 20.0,
        "bias": -10.0,
        "postprocessing": Postprocessing(0.5, 0.3, 0.2, 1.0, 0.1, 0.1),
        "max_query_tokens": 16,
        "query_normalization": "lowercase",
        "files": dict.fromkeys(BUNDLE_FILES, "0" * 64),
        "licences": ("Apache-2.0",),
        "trained_on": ("nothing",),
    }
    return Manifest(**(values | changes))
