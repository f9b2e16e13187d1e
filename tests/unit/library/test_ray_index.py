"""What needs no cluster; tests/cluster indexes on a real one."""

import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from service.core.start_errors import ClusterFailed, RayUnavailable
from service.library.ray_index import GROUP_FILES, connected, groups_of, resources_of


def test_groups_hold_all_files_once_and_suffice_for_all_towers(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{number:03d}") for number in range(100)]
    for number, path in enumerate(paths):
        Path(path).write_bytes(bytes(1000 * (number % 7)))
    groups = groups_of([*paths, str(tmp_path / "missing")], n_towers=3)
    assert [path for group in groups for path in group] == [*paths, str(tmp_path / "missing")]
    assert len(groups) >= 12
    assert all(groups)
    assert max(map(len, groups_of([str(tmp_path / "missing")] * 1000, 1))) == GROUP_FILES


def cluster_of(monkeypatch: pytest.MonkeyPatch, **resources: float) -> None:
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(cluster_resources=lambda: resources))


def test_towers_take_gpus_if_there_are_some_and_cores_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster_of(monkeypatch, CPU=16.0, GPU=2.0)
    assert (resources_of("x", "auto").n_towers, resources_of("x", "cpu").n_towers) == (2, 16)
    cluster_of(monkeypatch, CPU=16.0)
    assert resources_of("x", "auto").n_towers == 16
    with pytest.raises(ClusterFailed, match="no node offers a GPU"):
        resources_of("x", "cuda")
    cluster_of(monkeypatch)
    with pytest.raises(ClusterFailed, match="no node offers a CPU core"):
        resources_of("x", "auto")


def test_without_ray_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RayUnavailable, match=r"earmark\[cpu,ray\]"), connected("auto"):
        pass


def test_an_address_without_a_cluster_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: False))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with pytest.raises(ClusterFailed, match="cannot be reached"), connected(f"127.0.0.1:{port}"):
        pass


@pytest.mark.parametrize("address", ["ray://127.0.0.1:1", "", "head", ":6379", "head:port"])
def test_an_address_in_another_form_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: False))
    with pytest.raises(ClusterFailed, match="HOST:PORT"), connected(address):
        pass


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_an_address_at_which_another_program_listens_is_refused(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: False))

    def reply(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(100)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=reply, args=[listener])
        thread.start()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ClusterFailed, match="another program listens there"), connected(address):
            pass
        thread.join()


def test_the_service_and_the_command_do_not_import_ray_unless_they_need_it() -> None:
    code = "import sys, service.__main__, service.app, service.library.indexing, service.command_line.index as i\n"
    code += "print([name for name in ('ray', 'lance') if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
