"""The route GET /metrics, which is on the port of the API or on a port of its own."""

import anyio
import anyio.to_thread
from fastapi import APIRouter, Request, Response

from service.api.allowed_methods import add_head_routes
from service.api.metrics import Metrics
from service.api.readiness import Readiness


class MetricsRoute:
    """Handler of GET /metrics.

    Args:
        metrics: The metrics.
        readiness: The readiness of the model, which is one of the metrics.
    """

    def __init__(self, metrics: Metrics, readiness: Readiness) -> None:
        self._metrics, self._readiness = metrics, readiness
        self._scrapes = anyio.CapacityLimiter(1)

    def router(self) -> APIRouter:
        """A router with this route."""
        router = APIRouter(tags=["operation"])
        router.add_api_route(
            "/metrics",
            self.get_metrics,
            name="tell_metrics",
            summary="What has the service done so far?",
            response_model=None,
            response_class=Response,
            responses={
                200: {
                    "description": "Metrics in the text format of Prometheus or in OpenMetrics",
                    "content": {"text/plain": {}, "application/openmetrics-text": {}},
                }
            },
        )
        add_head_routes(router)
        return router

    async def get_metrics(self, request: Request) -> Response:
        """Returns all counters, gauges and histograms.

        The text format of Prometheus is the default. A scraper that accepts `application/openmetrics-text` gets
        OpenMetrics, with exemplars if traces are recorded.
        """
        self._readiness.update_metric()
        accept = ",".join(request.headers.getlist("Accept"))
        # A thread of its own: a GPU driver may block, and no other work may delay a scrape.
        content, content_type = await anyio.to_thread.run_sync(self._metrics.exposition, accept, limiter=self._scrapes)
        return Response(content, headers={"Content-Type": content_type})
