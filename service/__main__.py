"""The command `earmark`, and the composition root of the service: settings, address, bundle, engine, app, server."""

import argparse
import contextlib
import ctypes
import functools
import importlib
import importlib.metadata
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from types import FrameType
from typing import TYPE_CHECKING, cast

from service.command_line.arguments import CommandParser
from service.command_line.index import add_index_parser
from service.command_line.keys import KEYS_FILE, add_key_parser
from service.command_line.library import add_library_parser
from service.command_line.localize import add_localize_parser, with_output_files
from service.command_line.search import add_search_parser
from service.core.errors import EarmarkError
from service.core.manifest import read_manifest
from service.core.start_errors import InferenceUnavailable, PackagesMissing
from service.shutdown import Shutdown
from service.standard_streams import discard, discard_if_unwritable, open_standard_streams, write_line

if TYPE_CHECKING:
    from service.access.key_ring import Reloads
    from service.engine.caching.tiers import EmbeddingCache
    from service.engine.decoders import Decoders
    from service.engine.engine import Engine
    from service.settings import Settings

EXIT_DEVICE_FAILED = 1
EXIT_UNUSABLE_INPUT = 2
EXIT_INTERRUPTED = 128 + signal.SIGINT
_M_ARENA_MAX = -8  # malloc.h
_API_MODULES = ("service.app", "service.library.serving", "service.server")

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a subcommand.

    Returns:
        The exit status: 0, or 2 if an argument, a setting or a file cannot be used. In that case one line on standard
        error says why.
    """
    open_standard_streams()
    try:
        return _run(_parse(argv))
    except BrokenPipeError:  # the reader of the output has closed it
        discard(sys.stdout)
    except OSError as error:
        discard_if_unwritable(sys.stdout)
        return _report_error(": ".join(str(part) for part in (error.filename, error.strerror or error) if part))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    try:
        return _parser().parse_args(with_output_files(sys.argv[1:] if argv is None else argv))
    finally:  # argparse ignores that the help or an error cannot be written
        discard_if_unwritable(sys.stderr)
        sys.stdout.flush()


def _run(args: argparse.Namespace) -> int:
    try:
        args.run(args)
    except EarmarkError as error:
        return _report_error(str(error) if args.run is serve else error.message)  # only `serve` reads the settings
    except ModuleNotFoundError as error:
        module = (error.name or "service").partition(".")[0]
        if module in ("service", "earmark"):
            raise
        missing = InferenceUnavailable() if module == "onnxruntime" else PackagesMissing(module)
        return _report_error(missing.message)
    return 0


def serve(_args: argparse.Namespace) -> None:
    """Serves until SIGTERM, SIGINT or a failure of the device.

    Raises:
        StartError: If a setting, the address, the device or the bundle is not acceptable, or clips cannot be decoded.
        SystemExit: If the device failed while serving.
    """
    reloads = _reloads()  # from here on, SIGHUP does not end the process
    # These imports are slow, and `localize` does not need them.
    from service.access.opening import open_access
    from service.engine.caching.opening import open_cache
    from service.engine.decoders import Decoders
    from service.listening import bind_if_allowed, bind_metrics
    from service.log_lines import configure_logging
    from service.settings import ignored_service_links, read_settings, redis_options
    from service.temporary_space import check_temporary_space
    from service.tracing import open_tracing

    settings, shutdown = read_settings(), Shutdown()
    configure_logging(settings.log_level, settings.log_format)
    check_temporary_space()
    if links := ignored_service_links():
        log.info("variables that Kubernetes sets for a Service are no settings and are ignored", extra={"names": links})
    redis = redis_options(settings)
    access = open_access(settings.keys_file, redis.url if redis else None)
    _limit_heaps()
    _limit_threads()
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    is_open = settings.open or access.keys is not None
    with (
        reloads.calling(access.reload) if reloads else contextlib.nullcontext(),
        bind_if_allowed(settings.host, settings.port, is_open=is_open) as listener,
        bind_metrics(settings.metrics_host or settings.host, settings.metrics_port, listener) as metrics_listener,
        open_tracing(_version(), lambda: settings.grace_s - shutdown.elapsed_s, enabled=settings.tracing) as tracing,
        closing(open_cache(read_manifest(settings.bundle), settings.cache_bytes, redis)) as cache,
        closing(Decoders(settings.decoders)) as decoders,
        closing(_open_engine(settings, cache, decoders, shutdown)) as engine,
    ):
        from service.app import Parts, connection_limits, create_apps
        from service.library.serving import open_served_library
        from service.server import Endpoint, run

        try:
            decoders.check()  # they have started while the model was opened
            library = open_served_library(settings.library, engine.manifest, audio=settings.library_audio)
            parts = Parts(decoders, access, tracing, library, model_checked=True)
            apps = create_apps(engine, settings, _version(), shutdown, parts)
            metrics = Endpoint(apps.metrics, metrics_listener) if metrics_listener else None
            limits, api = connection_limits(settings), Endpoint(apps.api, listener)
            run(api, limits, shutdown, settings.grace_s, access.limits.close, metrics)
        except KeyboardInterrupt:
            log.info("interrupted")
    if shutdown.has_failed:
        raise SystemExit(EXIT_DEVICE_FAILED)


def _open_engine(settings: "Settings", cache: "EmbeddingCache", decoders: "Decoders", shutdown: Shutdown) -> "Engine":
    """Opens the engine while a thread imports the API, which takes longer.

    The engine is imported in that thread, too: a signal interrupts only the main thread, and an interrupted import fails in
    ways that hide the signal.
    """
    with ThreadPoolExecutor(1, "imports") as thread, contextlib.ExitStack() as on_failure:
        imports = [thread.submit(importlib.import_module, name) for name in ("service.engine.engine", *_API_MODULES)]
        imports[0].result()
        from service.engine.engine import open_engine
        from service.engine.plain_wav import plain_wav_or
        from service.settings import engine_options

        start_s, options, decode = time.perf_counter(), engine_options(settings), plain_wav_or(decoders.decode)
        fail = functools.partial(_fail, shutdown)
        engine = open_engine(settings.bundle, options, cache, decode, on_device_lost=fail)
        on_failure.callback(engine.close)
        model = {"model": engine.manifest.name, "version": engine.manifest.version, "provider": engine.provider}
        log.info("model warmed up", extra=model | {"duration_ms": round((time.perf_counter() - start_s) * 1000)})
        for imported in imports:
            imported.result()
        on_failure.pop_all()
    return engine


def _reloads() -> "Reloads | None":
    """Catches SIGHUP if there is a keys file; otherwise the signal ends the process."""
    from service.access.key_ring import Reloads

    variables = {name.upper() for name, value in os.environ.items() if value}
    return Reloads() if KEYS_FILE in variables else None


def _fail(shutdown: Shutdown, error: BaseException) -> None:
    log.critical("the device failed; the process shuts down", exc_info=error)
    shutdown.fail()


def _limit_heaps() -> None:
    """Limits glibc to two heaps instead of eight per core, because fragmented heaps make memory grow for hours."""
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def _limit_threads() -> None:
    """Limits BLAS to one thread: its products are small, so more threads would only take CPU time from the model."""
    from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs] - it ships none

    threadpool_limits(1, "blas")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "earmark", description="Finds when, in a recording, a sound described in words is heard."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {_version()}")
    parser_class = cast(
        type[argparse.ArgumentParser], CommandParser
    )  # the subcommands are typed with the class of argparse
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=parser_class)
    add_localize_parser(commands)
    add_key_parser(commands)
    add_index_parser(commands)
    add_library_parser(commands)
    add_search_parser(commands)
    serve_parser = commands.add_parser(
        "serve",
        help="serve the model over HTTP",
        description="Serves the model over HTTP until SIGTERM or SIGINT. EARMARK_* environment variables configure it.",
    )
    serve_parser.set_defaults(run=serve)
    return parser


def _report_error(message: str) -> int:
    write_line(sys.stderr, f"earmark: {message}")
    return EXIT_UNUSABLE_INPUT


def _version() -> str:
    try:
        return importlib.metadata.version("earmark")
    except importlib.metadata.PackageNotFoundError:  # the source tree is run without being installed
        return "0+source"


def _end(number: int, _frame: FrameType | None) -> None:
    """Ends the process in order; the same signal is ignored from then on, so that it does not interrupt the end."""
    signal.signal(number, signal.SIG_IGN)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
