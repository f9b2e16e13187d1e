"""The twenty lines that a user would write: `python -m tests.benchmarks.peers.fastapi_app PORT WORKERS`.

One worker uses all cores in each inference; several workers use one core each. uvloop and httptools are installed.
"""

import sys
from typing import Annotated

import orjson
import uvicorn
from fastapi import FastAPI, File, Form
from fastapi.responses import Response

from tests.benchmarks.peers.model import Model


def single() -> FastAPI:
    """The app of the only worker."""
    return create_app(threads=0)


def one_of_several() -> FastAPI:
    """The app of one of several workers."""
    return create_app(threads=1)


def create_app(threads: int) -> FastAPI:
    app, model = FastAPI(), Model(threads)

    @app.post("/localize")
    def localize(audio: Annotated[bytes, File()], query: Annotated[list[str], Form()]) -> Response:
        return Response(orjson.dumps(model.localize(audio, query)), media_type="application/json")

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    return app


if __name__ == "__main__":
    port, workers = map(int, sys.argv[1:])
    factory = "single" if workers == 1 else "one_of_several"
    uvicorn.run(
        f"{__spec__.name}:{factory}", factory=True, port=port, workers=workers, access_log=False, log_level="error"
    )
