"""The command `earmark`, and where the service is put together: settings, address, bundle, engine, app, server."""

import argparse
import contextlib
import ctypes
import importlib.metadata
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from types import FrameType

from service.command_line.localize import add_localize_parser
from service.core.errors import EarmarkError
from service.core.manifest import read_manifest
from service.engine.engine import open_engine
from service.logs import configure_logging
from service.shutdown import Shutdown

FAILED = 1
CANNOT = 2
INTERRUPTED = 128 + signal.SIGINT
_M_ARENA_MAX = -8  # malloc.h

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a subcommand.

    Returns:
        The exit status: 0, or 2 if something that was given cannot be used, which one line on standard error tells.
    """
    args = _parser().parse_args(argv)
    try:
        args.run(args)
    except EarmarkError as error:
        return _refuse(str(error) if args.run is serve else error.message)  # only `serve` obeys settings
    except BrokenPipeError:  # whoever read the output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        return _refuse(": ".join(str(told) for told in (error.filename, error.strerror or error) if told))
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def serve(_args: argparse.Namespace) -> None:
    """Serves until the process is told to end.

    Raises:
        StartError: If a setting, the address, the device or the bundle is not acceptable, or clips cannot be decoded.
        SystemExit: If the device failed while serving.
    """
    # Not above: what a server needs takes time to import, and `localize` needs none of it.
    from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs] - it ships none

    from service.app import create_app, not_http_response
    from service.engine.caching.opening import open_cache
    from service.engine.decoders import Decoders
    from service.server import bind, run
    from service.settings import engine_options, read_settings, redis_options

    settings, shutdown = read_settings(), Shutdown()

    def fail(error: BaseException) -> None:
        log.critical("the device failed; the process ends", exc_info=error)
        shutdown.fail()

    configure_logging(settings.log_level, settings.log_format)
    _bound_heaps()
    threadpool_limits(1, "blas")  # products are small; threads that spin for them take the cores from the model
    signal.signal(signal.SIGTERM, _end)
    with (
        bind(settings.host, settings.port) as listener,
        closing(open_cache(read_manifest(settings.bundle), settings.cache_bytes, redis_options(settings))) as cache,
        closing(Decoders(settings.decoders)) as decoders,
    ):
        began = time.perf_counter()
        decoders.check()
        engine = open_engine(settings.bundle, engine_options(settings), cache, decoders.decode, on_device_lost=fail)
        try:
            model = {"model": engine.manifest.name, "version": engine.manifest.version, "provider": engine.provider}
            log.info("warmed up", extra=model | {"duration_ms": round((time.perf_counter() - began) * 1000)})
            app = create_app(engine, settings, _version(), shutdown)
            run(app, listener, not_http_response(), shutdown, settings.grace_s)
        except KeyboardInterrupt:
            log.info("interrupted")
        finally:
            engine.close()
    if shutdown.has_failed:
        raise SystemExit(FAILED)


def _bound_heaps() -> None:
    """Lets glibc keep two heaps, not eight a core: many threads' heaps fragment, and memory creeps up for hours."""
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "earmark", description="Tells when, in a recording, a sound described in words is heard."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_localize_parser(commands)
    serve_parser = commands.add_parser(
        "serve",
        help="answer over HTTP",
        description="Answers POST /localize until it is told to end. It is set by EARMARK_* environment variables.",
    )
    serve_parser.set_defaults(run=serve)
    return parser


def _refuse(message: str) -> int:
    sys.stderr.write(f"earmark: {message}\n")
    return CANNOT


def _version() -> str:
    try:
        return importlib.metadata.version("earmark")
    except importlib.metadata.PackageNotFoundError:  # run without being installed
        return "0+source"


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
