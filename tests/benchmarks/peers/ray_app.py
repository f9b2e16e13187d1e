"""The model in Ray Serve, with one single-threaded replica per core: `python -m tests.benchmarks.peers.ray_app PORT`."""

import os
import signal
import sys
from typing import Annotated

import orjson
import ray
from fastapi import FastAPI, File, Form
from fastapi.responses import Response
from ray import serve

from tests.benchmarks.peers.model import BUNDLE_VARIABLE, Model, bundle_dir

app = FastAPI()
CORES = os.cpu_count() or 1


@serve.deployment(
    num_replicas=CORES,
    max_ongoing_requests=4,
    ray_actor_options={"num_cpus": 0.5, "runtime_env": {"env_vars": {BUNDLE_VARIABLE: str(bundle_dir())}}},
)
@serve.ingress(app)
class Localizer:
    def __init__(self) -> None:
        self.model = Model(threads=1)

    @app.post("/localize")
    def localize(self, audio: Annotated[bytes, File()], query: Annotated[list[str], Form()]) -> Response:
        return Response(orjson.dumps(self.model.localize(audio, query)), media_type="application/json")

    @app.get("/health")
    def health(self) -> dict[str, str]:
        return {"status": "ok"}


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ray.init(num_cpus=CORES, include_dashboard=False, log_to_driver=False, object_store_memory=200 << 20)
    serve.start(http_options=serve.HTTPOptions(host="127.0.0.1", port=int(sys.argv[1])))
    try:
        serve.run(Localizer.bind(), blocking=True)
    finally:
        serve.shutdown()
        ray.shutdown()
