"""A Ray cluster on this machine whose nodes are processes that a test can kill, and Ray Serve on it."""

import contextlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

from tests.free_ports import free_port, free_ports

ROOT = Path(__file__).parents[1]
os.environ.update(
    PYTHONPATH=str(ROOT),  # nodes import this tree, whichever is installed
    RAY_USAGE_STATS_ENABLED="0",
    RAY_agent_register_timeout_ms="300000",  # the default is too short for a machine that others load
    RAY_worker_register_timeout_seconds="300",
)
OBJECT_STORE_BYTES = 96 << 20
APP = "earmark"
_ATTEMPTS = 4
_AGENT_PORTS = ("metrics_agent_port", "metrics_export_port", "runtime_env_agent_port", "dashboard_agent_listen_port")


@contextlib.contextmanager
def running(*cpus: int, object_store_bytes: int = OBJECT_STORE_BYTES) -> Generator[Any]:
    """Runs a cluster of nodes with so many cores each; the first is the head, to which `address` leads."""
    cluster = _start(cpus, object_store_bytes)
    try:
        yield cluster
    finally:
        cluster.shutdown()


@contextlib.contextmanager
def ray_serve(cluster: Any) -> Generator[str]:
    """Connects this process with a cluster and starts Ray Serve there; gives the URL of its proxy."""
    import ray
    from ray import serve

    ray.init(address=cluster.address, log_to_driver=False)
    try:
        port = free_port()
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        yield f"http://127.0.0.1:{port}"
        serve.shutdown()
    finally:
        ray.shutdown()


def deploy(**args: Any) -> None:
    """Runs the service with these arguments on Ray Serve, and waits until it is ready."""
    from ray import serve

    from service.ray_app import application

    serve.run(application(args), name=APP, route_prefix="/")


def _start(cpus: tuple[int, ...], object_store_bytes: int) -> Any:
    from ray.cluster_utils import Cluster

    for attempt in range(_ATTEMPTS):
        cluster = Cluster(shutdown_at_exit=True)
        try:
            for n_cpus in cpus:
                cluster.add_node(num_cpus=n_cpus, object_store_memory=object_store_bytes, **_options())
        except Exception:  # Ray gives a node 30 s to start, which a busy machine may exceed
            cluster.shutdown()
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return cluster
    raise AssertionError


def _options() -> dict[str, Any]:
    """Options of a node. With ports that are known before, a node does not wait for its agents."""
    return {
        "include_dashboard": False,
        **dict(zip(_AGENT_PORTS, free_ports(len(_AGENT_PORTS)), strict=True)),
    }
