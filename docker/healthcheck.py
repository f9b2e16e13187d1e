"""The health check of the images: succeeds if the service in this container is ready for requests."""

import http.client
import os
import sys

_TIMEOUT_S = 4.0
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses that stand for all addresses, with the address to connect to."""


def main() -> int:
    """Returns 0 if GET /readyz answers 200, otherwise 1."""
    variables = {name.upper(): value for name, value in os.environ.items() if value}
    host = variables.get("EARMARK_HOST", "127.0.0.1")
    port = int(variables.get("EARMARK_PORT", "8000"))
    connection = http.client.HTTPConnection(_EVERY_ADDRESS.get(host, host), port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        sys.stderr.write(f"the service at {host}:{port} does not answer: {error}\n")
        return 1
    sys.stdout.write(f"GET /readyz answers {status}\n")
    return 0 if status == http.HTTPStatus.OK else 1


if __name__ == "__main__":
    sys.exit(main())
