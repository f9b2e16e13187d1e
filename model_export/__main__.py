"""`python -m model_export CHECKPOINT --out DIR --card MODEL_CARD.md`: checkpoint to verified bundle."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from model_export.bundle import write_bundle
from model_export.errors import ExportError


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code: 0 written, 1 not."""
    parser = argparse.ArgumentParser(prog="python -m model_export", description="Checkpoint to verified bundle.")
    parser.add_argument("checkpoint", type=Path, help="a checkpoint of training.train")
    parser.add_argument(
        "--out", type=Path, required=True, help="the bundle's folder; a bundle that is there is replaced"
    )
    parser.add_argument("--card", type=Path, required=True, help="the MODEL_CARD.md that goes into the bundle")
    parser.add_argument("--calibration", type=Path, help="a file of training.calibrate")
    parser.add_argument("--max-mb", type=float, default=40.0, help="what the bundle may take: 40 MB unless said")
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
