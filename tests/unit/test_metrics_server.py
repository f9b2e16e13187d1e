import asyncio

import httpx
import uvicorn

from service.listening import bind
from service.metrics_server import MetricsServer
from tests.waiting import PATIENCE_S


async def _answer(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


def test_it_serves_from_begin_to_end_within_the_loop_of_another_server() -> None:
    async def run() -> None:
        listener = bind("127.0.0.1", 0)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = MetricsServer(uvicorn.Config(_answer, log_config=None, lifespan="off"), listener)
        await server.begin()
        async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
            assert (await client.get(url)).status_code == 204
            await server.end()
            try:
                await client.get(url)
            except httpx.TransportError:
                return
            raise AssertionError("the server still answers")

    asyncio.run(run())
