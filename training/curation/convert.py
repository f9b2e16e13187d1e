"""Converts region annotations between formats: `python -m training.curation.convert IN OUT --from raven --to tacos`.

Audacity and Raven keep one annotation file per recording: for these formats, IN is such a file or a folder of them, and
OUT is a folder. In all other formats, one file holds the annotations of all recordings.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from training.curation.regions import audacity, label_studio, raven
from training.curation.regions.delimited import TableFormat
from training.curation.regions.region import Region


class Format(NamedTuple):
    """The functions of an annotation format.

    Attributes:
        read: reads the regions of a file or folder. Its second argument is the file name ending to add to the names of
            recordings, or an empty string.
        write: writes regions to a file or folder.
    """

    read: Callable[[Path, str], list[Region]]
    write: Callable[[Iterable[Region], Path], None]


CSV, TSV = TableFormat(","), TableFormat("\t")
FORMATS: Mapping[str, Format] = {
    "audacity": Format(audacity.read, audacity.write),
    "label-studio": Format(label_studio.read, label_studio.write),
    "raven": Format(raven.read, raven.write),
    "tacos": Format(CSV.read, CSV.write),
    "tsv": Format(TSV.read, TSV.write),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.curation.convert", description="Convert region annotations between formats."
    )
    parser.add_argument(
        "source", type=Path, metavar="IN", help="annotations to read: a file, or a folder for audacity and raven"
    )
    parser.add_argument("target", type=Path, metavar="OUT", help="file to write, or folder for audacity and raven")
    parser.add_argument("--from", dest="source_format", choices=FORMATS, required=True, help="format of IN")
    parser.add_argument("--to", dest="target_format", choices=FORMATS, required=True, help="format of OUT")
    parser.add_argument(
        "--extension", default="", help="ending to add to the names of recordings in IN, for example .wav"
    )
    options = parser.parse_args(arguments)
    try:
        regions = FORMATS[options.source_format].read(options.source, options.extension)
        FORMATS[options.target_format].write(regions, options.target)
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    print(f"{len(regions)} regions of {len({region.recording for region in regions})} recordings")


if __name__ == "__main__":
    main()
