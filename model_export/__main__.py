"""Exports a checkpoint to a verified bundle: `python -m model_export CHECKPOINT --out DIR --card MODEL_CARD.md`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from model_export.bundle import write_bundle
from model_export.errors import ExportError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code: 0 if a bundle was written, otherwise 1."""
    parser = argparse.ArgumentParser(
        prog="python -m model_export", description="Export a checkpoint to a verified bundle."
    )
    parser.add_argument("checkpoint", type=Path, help="checkpoint of training.train")
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle; an existing bundle is replaced")
    parser.add_argument("--card", type=Path, required=True, help="the MODEL_CARD.md that is copied into the bundle")
    parser.add_argument("--calibration", type=Path, help="calibration file of training.calibrate")
    parser.add_argument(
        "--max-mb", type=float, default=50.0, help="largest accepted size of the bundle in MB (default: 50)"
    )
    options = parser.parse_args(arguments)
    max_bytes = round(options.max_mb * 1e6)
    try:
        differences = write_bundle(options.checkpoint, options.calibration, options.card, options.out, max_bytes)
    except (ExportError, FileNotFoundError) as error:
        sys.stderr.write(f"no bundle written: {error}\n")
        return 1
    sys.stdout.write(f"{options.out}: {json.dumps(differences)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
