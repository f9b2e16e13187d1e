"""All measurements of RESULTS.md in one command: `python -m tests.benchmarks.everything OUTPUT.md`.

Takes about 25 minutes on a quiet machine with two cores. The sections are written to the file one after another, each under the
command that measured it. The comparison with other servers needs the extra `peers`, and that with Ray the extra `ray`; `--skip`
leaves commands out. `--tiny` runs every part once with a few clips, to see that it works; its figures mean nothing.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import onnxruntime

from tests.benchmarks.load import ROOT
from tests.benchmarks.peers.model import BUNDLE_VARIABLE

COMMANDS = {
    "peers": "peers --rounds 1 --clips 8 --burst 8",
    "peers --graph audio.onnx": "peers --graph audio.onnx --rounds 1 --clips 8 --burst 8",
    "cpu_time": "cpu_time --clips 8 --repeats 1",
    "growth": "growth --lengths 1 61 --long 120 --queries 1 10 --repeats 1",
    "towers": "towers --repeats 1",
    "burst 200": "burst 8",
    "serving long": "serving long --hours 0.05",
    "serving cached": "serving cached --repeats 1",
    "distributed": "distributed --tiny",
    "folder --files 100": "folder --files 4 --rounds 1",
    "folder --files 100 --container WAV": "folder --files 4 --rounds 1 --container WAV",
}
"""Modules of `tests.benchmarks` with their arguments, the most important first; and the same with a few clips."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.everything", description=__doc__)
    parser.add_argument("output", type=Path, help="file of the results")
    parser.add_argument("--skip", nargs="*", default=[], choices=sorted({command.split()[0] for command in COMMANDS}))
    parser.add_argument("--tiny", action="store_true", help="run every part once, with a few clips")
    parser.add_argument("--bundle", type=Path, help="bundle of peers, cpu_time and growth instead of the packaged one")
    arguments = parser.parse_args()
    environment = os.environ | ({BUNDLE_VARIABLE: str(arguments.bundle.resolve())} if arguments.bundle else {})
    with arguments.output.open("w") as output:
        output.write(f"Measured with {describe_machine()}.\n")
        failed: list[str] = []
        for command in (command for command in COMMANDS if command.split()[0] not in arguments.skip):
            began_s, command = time.monotonic(), COMMANDS[command] if arguments.tiny else command
            output.write(f"\n## `python -m tests.benchmarks.{command}`\n")
            output.flush()
            arguments_of = [sys.executable, "-m", *f"tests.benchmarks.{command}".split()]
            status = subprocess.run(arguments_of, cwd=ROOT, env=environment, stdout=output, check=False).returncode
            print(f"{command}: status {status} after {time.monotonic() - began_s:.0f} s", file=sys.stderr, flush=True)
            if status:
                failed.append(command)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def describe_machine() -> str:
    """The processor, its cores and the versions of what computes."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    version = f"Python {platform.python_version()}, ONNX Runtime {onnxruntime.__version__}"
    return f"{version}, {os.cpu_count()} cores of {model}"


if __name__ == "__main__":
    main()
