"""Speed of `earmark localize` over a folder, beside a bare loop over the same files with the same model.

    python -m tests.benchmarks.folder --files 200

The bare loop decodes the files one after another and runs the audio encoder, with one window or four in a batch. It has no
queries, table or journal. Runs alternate, so that other load of the machine meets all of them. Starting the model and the
decoding processes is not measured.
"""

import argparse
import contextlib
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from service.command_line.localize_many import run_many
from service.command_line.recording_localizers import Task, open_local_localizer
from service.core.manifest import PACKAGED_BUNDLE
from tests.benchmarks.serving import BareLoop
from tests.benchmarks.tables import row, spread, table

TASK = Task(("a chainsaw", "a dog barks"), {}, "csv")
BATCHES = (1, 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a file, at most a window")
    parser.add_argument("--rate-hz", type=int, default=44_100)
    parser.add_argument("--container", default="FLAC", help="WAV, FLAC, MP3 or OGG")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    loops = {batch: BareLoop(batch) for batch in BATCHES}
    rates: dict[str, list[float]] = {f"bare loop, batches of {batch}": [] for batch in BATCHES} | {
        "earmark localize": []
    }
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as outputs:
        files = write_files(Path(folder), args)
        for number in range(args.rounds):
            for batch, loop in loops.items():
                rates[f"bare loop, batches of {batch}"].append(
                    len(files) / loop.run([file.read_bytes() for file in files])
                )
            rates["earmark localize"].append(
                len(files) / time_of_command(Path(folder), Path(outputs) / f"{number}.csv")
            )
    best = max((values for name, values in rates.items() if name.startswith("bare")), key=np.median)
    table(f"{args.files} files of {args.seconds:g} s ({args.container})", "files/s", "share of the best bare loop")
    for name, values in rates.items():
        row(name, spread(values), spread(np.divide(values, best).tolist(), 2))


def write_files(folder: Path, args: argparse.Namespace) -> list[Path]:
    noise = np.random.default_rng(0)
    files = [folder / f"{number:05d}.{args.container.lower()}" for number in range(args.files)]
    for file in files:
        samples = 0.1 * noise.standard_normal((round(args.seconds * args.rate_hz), 2))
        soundfile.write(file, samples, args.rate_hz, format=args.container)
    return files


def time_of_command(folder: Path, output: Path) -> float:
    names = {"clip": folder, "output": str(output), "server": None, "bundle": PACKAGED_BUNDLE, "device": "auto"}
    began_s = time.perf_counter()
    with open_local_localizer(PACKAGED_BUNDLE, "auto", TASK):
        opening_s = time.perf_counter() - began_s
    began_s = time.perf_counter()
    with Path(os.devnull).open("w") as null, contextlib.redirect_stderr(null):
        run_many(argparse.Namespace(**names), TASK, None)
    return time.perf_counter() - began_s - opening_s


if __name__ == "__main__":
    main()
