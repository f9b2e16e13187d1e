"""Caddy as docker-compose.yml starts it, on ports of this machine."""

import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests import patient_http
from tests.free_ports import free_port
from tests.operations.checkout import Checkout
from tests.operations.programs import Program, running
from tests.waiting import PATIENCE_S

CADDYFILE = "docker/proxy/Caddyfile"


@dataclass(frozen=True)
class Proxy:
    """A running proxy.

    Attributes:
        program: The process.
        environment: Its environment variables.
        command: Its command.
        https: Its port for HTTPS.
        http: Its port for HTTP.
        root_certificate: Certificate of the authority that signed its certificate.
    """

    program: Program
    environment: dict[str, str]
    command: list[str]
    https: int
    http: int
    root_certificate: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.https}"

    def client(self) -> httpx.Client:
        """A client that trusts the proxy."""
        return httpx.Client(base_url=self.url, verify=self.context(), timeout=PATIENCE_S)

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.root_certificate))

    def connect(self) -> ssl.SSLSocket:
        """A new TLS connection."""
        plain = socket.create_connection(("127.0.0.1", self.https), timeout=PATIENCE_S)
        return self.context().wrap_socket(plain, server_hostname="localhost")


@contextmanager
def proxy_of(checkout: Checkout, upstream: str, **variables: str) -> Iterator[Proxy]:
    """Runs the command of docker-compose.yml until the end of the block.

    Args:
        checkout: Its files.
        upstream: Host and port of the service.
        variables: Variables that differ from those of docker-compose.yml.
    """
    http, https, admin = free_port(), free_port(), free_port()
    ports = f"skip_install_trust\n\thttp_port {http}\n\thttps_port {https}\n\tadmin 127.0.0.1:{admin}"
    checkout.replace(CADDYFILE, ("skip_install_trust", ports))
    data = checkout.mapped("proxy", "/data")
    own = {"XDG_DATA_HOME": data, "XDG_CONFIG_HOME": checkout.mapped("proxy", "/config"), "PATH": os.environ["PATH"]}
    environment = own | checkout.environment("proxy") | {"PROXY_UPSTREAM": upstream} | variables
    command = checkout.command("proxy")
    root = Path(data) / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    check = checkout.health_check("proxy").split()[-1].replace("2019", str(admin))

    def ready() -> bool:
        if patient_http.get(check).status_code != httpx.codes.OK or not root.exists():
            return False
        with socket.create_connection(("127.0.0.1", https), timeout=PATIENCE_S) as plain:
            ssl.create_default_context(cafile=str(root)).wrap_socket(plain, server_hostname="localhost").close()
        return True

    with running(command, checkout.root / "proxy.log", ready, environment) as program:
        yield Proxy(program, environment, command, https, http, root)
