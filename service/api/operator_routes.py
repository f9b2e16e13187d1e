"""What an operator and a machine that watches ask: is it alive, is it ready, what is it, what has it done."""

from collections.abc import Callable
from http import HTTPStatus

import anyio.to_thread
from fastapi import APIRouter, Path, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from service.api.metrics import Metrics
from service.api.problem_examples import OTHER_PROBLEMS, problem_responses
from service.api.problems import all_problems
from service.api.readiness import Readiness
from service.api.schemas import InfoOut, ProblemTypeOut, ReadyOut, StatusOut
from service.core.errors import EarmarkError, NotReady


class OperatorRoutes:
    """The routes beside the service's purpose.

    Args:
        info: What GET /info tells; it never changes.
        readiness: What GET /readyz asks.
        degraded: Tells what does not work though the service does; may take a moment.
        metrics: What GET /metrics shows.
    """

    def __init__(
        self, info: InfoOut, readiness: Readiness, degraded: Callable[[], list[str]], metrics: Metrics
    ) -> None:
        self._info = info
        self._readiness = readiness
        self._degraded = degraded
        self._metrics = metrics

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(tags=["operation"])
        for path, endpoint in (("/livez", self.livez), ("/readyz", self.readyz)):  # what some watchers ask
            router.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False)
        router.add_api_route("/livez", self.livez, summary="Is the process alive?")
        router.add_api_route(
            "/readyz",
            self.readyz,
            summary="Can it answer?",
            response_model_exclude_none=True,
            responses=problem_responses([NotReady(), EarmarkError()]),
        )
        router.add_api_route("/info", self.get_info, name="tell_info", summary="Which model, defaults and limits?")
        router.add_api_route(
            "/metrics",
            self.get_metrics,
            name="tell_metrics",
            summary="What has it done?",
            response_model=None,
            response_class=Response,
            responses={200: {"description": "Prometheus' text format", "content": {"text/plain": {}}}},
        )
        router.add_api_route(
            "/problems/{name}",
            self.get_problem_type,
            name="tell_problem",
            summary="What does this type of problem mean?",
            responses={404: {"description": "There is no such type"}, "default": OTHER_PROBLEMS},
        )
        return router

    async def livez(self) -> StatusOut:
        """Answers whatever the model and the queue do."""
        return StatusOut(status="alive")

    async def readyz(self) -> ReadyOut:
        """Answers once the model has passed a check; after a fault it is checked again, by a real forward pass.

        A cache that does not work is told, but nothing waits for it: clips are embedded anew.
        """
        await self._readiness.ensure_ready()
        degraded = await anyio.to_thread.run_sync(self._degraded)
        return ReadyOut(status="ready", degraded=degraded or None)

    async def get_info(self) -> InfoOut:
        """Tells what is served, what holds by default, and what is accepted."""
        return self._info

    async def get_metrics(self) -> Response:
        """Tells all counters, gauges and histograms."""
        return Response(self._metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def get_problem_type(self, name: str = Path(examples=["audio-too-long"])) -> ProblemTypeOut:
        """Tells what a problem's `type` leads to."""
        problem = all_problems().get(name)
        if problem is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return ProblemTypeOut(type=problem.type, title=problem.title, status=problem.status)
