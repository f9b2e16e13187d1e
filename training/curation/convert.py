"""Converts region annotations: `python -m training.curation.convert IN OUT --from raven --to tacos`.

Audacity and Raven keep one file a recording: IN is a file or a folder of them, OUT a folder. The other formats are one file.
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
    """How a format is read (with the extension to add to the names of recordings) and written."""

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
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.curation.convert", description="Convert annotations.")
    parser.add_argument(
        "source", type=Path, metavar="IN", help="the annotations to read: a file; of audacity and raven also a folder"
    )
    parser.add_argument(
        "target", type=Path, metavar="OUT", help="what is written: a file; of audacity and raven a folder"
    )
    parser.add_argument("--from", dest="source_format", choices=FORMATS, required=True, help="the format of IN")
    parser.add_argument("--to", dest="target_format", choices=FORMATS, required=True, help="the format of OUT")
    parser.add_argument("--extension", default="", help="what IN leaves out of the names of recordings, as .wav")
    options = parser.parse_args(arguments)
    try:
        regions = FORMATS[options.source_format].read(options.source, options.extension)
        FORMATS[options.target_format].write(regions, options.target)
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    print(f"{len(regions)} regions of {len({region.recording for region in regions})} recordings")


if __name__ == "__main__":
    main()
