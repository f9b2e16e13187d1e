"""Indexing of files on a Ray cluster with Ray Data: the only module of the library that imports Ray.

Files flow through two operators. Tasks decode groups of files on any CPU, and pass the samples on through the object store of
Ray. A pool of actors, each with a tower, embeds them and writes the frames and moments as fragments into the library. The
process that runs the command gets only the rows of the recordings, and commits them together with their fragments. So
neither samples nor frames pass through that process. A task whose node dies is done again elsewhere; fragments of the first
attempt are never committed.
"""

import logging
import os
import pickle
import re
import socket
import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from service.core.errors import EarmarkError
from service.core.start_errors import ClusterFailed, RayUnavailable
from service.engine.options import Device
from service.library.file_outcomes import Outcome, outcome_of
from service.library.fragments import StagedRecording
from service.library.indexing import IndexReport, Progress, Source, index_outcomes
from service.library.ray_workers import IndexPlan, Tower, decode_files
from service.library.recording import Value
from service.library.store import Library

TOWER_CPUS, DECODER_CPUS = 0.9, 0.1
"""Shares of a core beside each other where the tower runs on the CPU: decoding takes about 6 % of the time of the tower."""
GROUP_BYTES = 64 << 20
"""Size of the files that a task decodes; a larger file is a group of its own."""
GROUP_FILES = 256
_GROUPS_PER_TOWER = 4
_CONNECT_S = 10.0
_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""The first bytes of a client, and empty settings (RFC 9113, section 3.4); a server answers with its own settings."""
_SETTINGS_TYPE = 4
_MAX_REASON_CHARS = 300


@dataclass(frozen=True, slots=True)
class Resources:
    """What a cluster has for an indexing.

    Attributes:
        n_cpus: CPU cores of all nodes.
        n_towers: Towers that run at the same time on the nodes that the cluster has now.
        is_gpu: Whether each tower has a GPU instead of a core.
    """

    n_cpus: int
    n_towers: int
    is_gpu: bool


@contextmanager
def connected(address: str) -> Generator[None]:
    """Connects with a cluster; a connection that this process has already is used and stays.

    Args:
        address: HOST:PORT of the head; "auto" for the cluster of this machine; "local" starts one on this machine.

    Raises:
        RayUnavailable: If Ray is not installed.
        ClusterFailed: If the cluster cannot be reached.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what matters is raised, too
    ray = _ray()
    if ray.is_initialized():
        yield
        return
    _check_address(address)
    try:
        with warnings.catch_warnings():
            # LanceDB warns of forks, but what Ray forks is another program at once
            warnings.filterwarnings("ignore", "lancedb fork support is experimental", RuntimeWarning)
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
    except (OSError, RuntimeError, ValueError) as error:
        raise ClusterFailed(address, _last_line(error)) from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_address(address: str) -> None:
    """Refuses addresses at which no cluster listens, for which Ray itself waits several minutes."""
    if address in ("auto", "local"):
        return
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdecimal():
        raise ClusterFailed(
            address or "''", "accepted are HOST:PORT, auto and local; run the command on a machine of the cluster"
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S) as connection:
            speaks_http2 = _speaks_http2(connection)
    except (OSError, OverflowError, UnicodeError) as error:
        raise ClusterFailed(address, f"it cannot be reached: {error}") from error
    if not speaks_http2:
        raise ClusterFailed(address, "another program listens there; the head of a cluster usually has port 6379")


def _speaks_http2(connection: socket.socket) -> bool:
    """Whether a server answers like the head of a cluster, which speaks gRPC over HTTP/2."""
    connection.sendall(_HTTP2_PREFACE)
    frame = connection.recv(4)  # 3 bytes of the length, and the type
    return len(frame) == 4 and frame[3] == _SETTINGS_TYPE


def resources_of(address: str, device: Device) -> Resources:
    """What the cluster has.

    Raises:
        ClusterFailed: If the cluster has nothing that can run a tower.
    """
    found: Mapping[str, float] = _ray().cluster_resources()
    n_cpus, n_gpus = int(found.get("CPU", 0)), int(found.get("GPU", 0))
    if device == "cuda" and n_gpus == 0:
        raise ClusterFailed(address, "no node offers a GPU; nodes are started with `ray start --num-gpus`")
    if n_cpus == 0:
        raise ClusterFailed(address, "no node offers a CPU core; at least 1 is needed")
    is_gpu = n_gpus > 0 and device != "cpu"
    return Resources(n_cpus, n_gpus if is_gpu else n_cpus, is_gpu)


def index_on_ray(
    library: Library,
    paths: Sequence[str],
    plan: IndexPlan,
    address: str,
    metadata: Mapping[str, Mapping[str, Value]],
    progress: Progress,
) -> IndexReport:
    """Indexes the files that are new or have changed, as `service.library.indexing.index_files` does, on a cluster.

    Args:
        library: The library, which has the columns of the metadata already.
        paths: Absolute paths of the files, the same on all nodes.
        plan: What all workers know.
        address: Address of the cluster, to which this process is connected.
        metadata: Values of columns by path.
        progress: Receives how far the indexing has come.

    Raises:
        ClusterFailed: If the cluster is too small, if a worker cannot use the bundle, the device or the library, or if the
            cluster fails in another way that a further attempt does not repair.
    """
    resources = resources_of(address, plan.options.device)
    threads = {} if resources.is_gpu else {"intra_op_threads": 1}
    plan = replace(plan, options=replace(plan.options, device="cuda" if resources.is_gpu else "cpu", **threads))

    def outcomes(pending: Sequence[str]) -> Generator[list[Outcome[StagedRecording]]]:
        nameable = [path for path in pending if _is_utf8(path)]
        yield [outcome_of(path, _never_opened) for path in pending if not _is_utf8(path)]
        if nameable:
            with _failures(address):
                for row in _dataset(groups_of(nameable, resources.n_towers), plan, resources).iter_rows():
                    yield pickle.loads(row["outcomes"])

    with library.staging():
        return index_outcomes(library, paths, Source(outcomes, library.add_staged), metadata, progress)


def groups_of(paths: Sequence[str], n_towers: int) -> list[list[str]]:
    """Cuts files into groups of limited size, and into several for each tower if there are enough files."""
    sizes = [_size(path) for path in paths]
    limit = min(GROUP_BYTES, sum(sizes) // (_GROUPS_PER_TOWER * n_towers) + 1)
    groups: list[list[str]] = []
    n_bytes = limit + 1  # the first file begins a group
    for path, size in zip(paths, sizes, strict=True):
        if n_bytes + size > limit or len(groups[-1]) >= GROUP_FILES:
            groups.append([])
            n_bytes = 0
        groups[-1].append(path)
        n_bytes += size
    return groups


def _dataset(groups: Sequence[Sequence[str]], plan: IndexPlan, resources: Resources) -> Any:
    """The pipeline as a lazy data set of Ray Data, whose rows are groups of outcomes."""
    import ray.data  # pyright: ignore[reportMissingTypeStubs]

    data: Any = ray.data
    data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    files = data.from_items([{"paths": list(group)} for group in groups], override_num_blocks=len(groups))
    decoded = files.map_batches(
        _Decode(plan),
        batch_size=1,
        num_cpus=1 if resources.is_gpu else DECODER_CPUS,
        compute=data.TaskPoolStrategy(size=max(2, resources.n_cpus)),
    )
    return decoded.map_batches(
        Tower,
        batch_size=1,
        batch_format="pyarrow",
        fn_constructor_args=[plan],
        num_cpus=1 if resources.is_gpu else TOWER_CPUS,
        num_gpus=1 if resources.is_gpu else 0,
        compute=data.ActorPoolStrategy(min_size=1, initial_size=resources.n_towers),
    )


@dataclass(frozen=True, slots=True)
class _Decode:
    """The first operator: a group of files to bundles."""

    plan: IndexPlan

    def __call__(self, batch: Mapping[str, Any]) -> Iterator[Any]:
        for paths in batch["paths"]:
            yield from decode_files(list(paths), self.plan)


@contextmanager
def _failures(address: str) -> Generator[None]:
    """Turns the errors of Ray into those of the workers, or into `ClusterFailed`."""
    from ray.exceptions import RayError  # pyright: ignore[reportMissingTypeStubs]

    try:
        yield
    except EarmarkError:
        raise
    except RayError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, EarmarkError):
            cause = getattr(cause, "cause", None) or cause.__cause__
        if cause is not None:
            raise cause from error
        raise ClusterFailed(address, _last_line(error)) from error


def _never_opened(*_: object) -> StagedRecording:
    raise ValueError("a file whose name is not UTF-8 is not opened")


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except OSError:
        return 0


def _last_line(error: BaseException) -> str:
    """The last line of a message of Ray, where it says what happened; without the class of an error of ours."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = lines[-1] if lines else type(error).__name__
    return re.sub(r"^service\.\S+: ", "", line)[:_MAX_REASON_CHARS]


def _ray() -> Any:
    try:
        import ray  # pyright: ignore[reportMissingTypeStubs]
    except ModuleNotFoundError as error:
        raise RayUnavailable(str(error.name)) from error
    return ray
