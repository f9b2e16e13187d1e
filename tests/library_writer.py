"""A process that indexes files and kills itself on the way: `python -m tests.library_writer LIBRARY STEP DELAY_MS FILE...`."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from service.library import indexing
from service.library.indexing import index_files
from service.library.store import Library, open_or_create_library
from tests.library_parts import MODEL, SilentProgress, embed


def main(location: str, fatal_step: int, delay_ms: float, paths: list[str]) -> None:
    """Indexes files in small batches.

    Args:
        location: Folder of the library.
        fatal_step: Number of the write at which the process kills itself; 0 for never.
        delay_ms: Time from the beginning of that write to the kill, in milliseconds.
        paths: The files.
    """
    n_steps = 0

    def count(_step: str) -> None:
        nonlocal n_steps
        n_steps += 1
        if n_steps == fatal_step:
            threading.Thread(target=_kill_soon, args=(delay_ms,), daemon=True).start()
            if delay_ms == 0:
                time.sleep(60)

    indexing.BATCH_RECORDINGS = 2
    library = Library(open_or_create_library(location, MODEL).tables, count)
    index_files(library, paths, embed, {path: {} for path in paths}, SilentProgress())
    library.compact()


def _kill_soon(delay_ms: float) -> None:
    time.sleep(delay_ms / 1000)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(str(Path(sys.argv[1])), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:])
