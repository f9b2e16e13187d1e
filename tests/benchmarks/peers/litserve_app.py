"""The model in LitServe, with one single-threaded worker per core: `python -m tests.benchmarks.peers.litserve_app PORT`."""

import os
import sys
from typing import Any

import litserve
from starlette.requests import Request

from tests.benchmarks.peers.model import Model


class Localizer(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.model = Model(threads=1)

    def decode_request(self, request: Request) -> tuple[bytes, list[str]]:
        form: Any = request  # LitServe has read the form
        return form["audio"].file.read(), form.getlist("query")

    def predict(self, clip: tuple[bytes, list[str]]) -> dict[str, Any]:
        return self.model.localize(*clip)

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


if __name__ == "__main__":
    server = litserve.LitServer(
        Localizer(api_path="/localize"), accelerator="cpu", workers_per_device=os.cpu_count() or 1, timeout=600
    )
    server.run(port=int(sys.argv[1]), log_level="error", generate_client_file=False, access_log=False)
