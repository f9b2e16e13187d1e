"""Measures libraries; each command prints a table.

    python -m tests.benchmarks.library build PACK FOLDER --hours 100   # draws recordings, indexes them; speed and size
    python -m tests.benchmarks.library search FOLDER/real              # recall, latency, memory
    python -m tests.benchmarks.library quality PACK FOLDER/real        # do the moments hit the true events?
    python -m tests.benchmarks.library growth FOLDER                   # larger libraries with embeddings like the real ones
    python -m tests.benchmarks.library draw growth.csv growth.svg      # the plot of what growth prints

PACK is a folder of recordings with clips.csv. All draws are seeded.
"""

import argparse
from pathlib import Path

from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs] - it ships none

from tests.benchmarks.library.building import build
from tests.benchmarks.library.growth import draw, growth, latency
from tests.benchmarks.library.latency import search
from tests.benchmarks.library.quality import quality


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.library",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("build")
    command.add_argument("pack", type=Path)
    command.add_argument("folder", type=Path)
    command.add_argument("--hours", type=float, default=100.0)
    command.set_defaults(run=lambda args: build(args.pack, args.folder, args.hours))
    command = commands.add_parser("search")
    command.add_argument("location", type=Path)
    command.add_argument("--no-recall", action="store_true", help="skip the exact scan")
    command.set_defaults(run=lambda args: search(args.location, with_recall=not args.no_recall))
    command = commands.add_parser("quality")
    command.add_argument("pack", type=Path)
    command.add_argument("location", type=Path)
    command.set_defaults(run=lambda args: quality(args.pack, args.location))
    command = commands.add_parser("growth")
    command.add_argument("folder", type=Path)
    command.add_argument("--hours", type=float, nargs="+", default=[10, 30, 100, 300])
    command.add_argument("--scaled", type=float, default=10_000, help="hours that the largest library also stands for")
    command.set_defaults(run=lambda args: growth(args.folder, args.hours, args.scaled))
    command = commands.add_parser("latency", help="measures a drawn library; used by growth")
    command.add_argument("location", type=Path)
    command.add_argument("--factor", type=float, default=1.0)
    command.set_defaults(run=lambda args: latency(args.location, args.factor))
    command = commands.add_parser("draw")
    command.add_argument("table", type=Path)
    command.add_argument("picture", type=Path)
    command.set_defaults(run=lambda args: draw(args.table, args.picture))
    args = parser.parse_args()
    threadpool_limits(1, "blas")  # as in the service
    args.run(args)


if __name__ == "__main__":
    main()
