"""The routes for operators and monitoring: liveness, readiness, info and problem types."""

from collections.abc import Callable
from http import HTTPStatus

import anyio.to_thread
from fastapi import APIRouter, Path
from starlette.exceptions import HTTPException

from service.api.allowed_methods import add_head_routes
from service.api.problem_examples import OTHER_PROBLEMS, problem_responses
from service.api.problems import all_problems
from service.api.readiness import Readiness
from service.api.schemas import InfoOut, ProblemTypeOut, ReadyOut, StatusOut
from service.core.errors import EarmarkError, NotReady


class OperatorRoutes:
    """Handlers of the routes for operators and monitoring.

    Args:
        info: The answer of GET /info, which never changes.
        readiness: The readiness of the model, for GET /readyz.
        degraded: Returns the names of optional parts that do not work; may block.
    """

    def __init__(self, info: InfoOut, readiness: Readiness, degraded: Callable[[], list[str]]) -> None:
        self._info = info
        self._readiness = readiness
        self._degraded = degraded

    def router(self) -> APIRouter:
        """A router with these routes."""
        router = APIRouter(tags=["operation"])
        router.add_api_route("/livez", self.livez, summary="Is the process alive?")
        router.add_api_route(
            "/readyz",
            self.readyz,
            summary="Can the service answer?",
            response_model_exclude_none=True,
            responses=problem_responses([NotReady(), EarmarkError()]),
        )
        router.add_api_route(
            "/info", self.get_info, name="tell_info", summary="Which model, defaults and limits apply?"
        )
        router.add_api_route(
            "/problems/{name}",
            self.get_problem_type,
            name="tell_problem",
            summary="What does this problem type mean?",
            responses={404: {"description": "There is no such problem type"}, "default": OTHER_PROBLEMS},
        )
        add_head_routes(router)
        return router

    async def livez(self) -> StatusOut:
        """Answers with status 200 while the process runs, whatever the state of the model and the queue."""
        return StatusOut(status="alive")

    async def readyz(self) -> ReadyOut:
        """Answers with status 200 if the model can answer. After a fault, a real forward pass checks the model again.

        `degraded` names optional parts that do not work. The service still answers without them: without `redis` it
        computes the embeddings of clips again, and without `decoder-sandbox` a clip that exploits a bug of an audio
        library can do more harm.
        """
        await self._readiness.ensure_ready()
        degraded = await anyio.to_thread.run_sync(self._degraded)
        return ReadyOut(status="ready", degraded=degraded or None)

    async def get_info(self) -> InfoOut:
        """Returns the model, the default values and the limits."""
        return self._info

    async def get_problem_type(self, name: str = Path(examples=["audio-too-long"])) -> ProblemTypeOut:
        """Returns the description of a problem type, to which the `type` of a problem refers."""
        problem = all_problems().get(name)
        if problem is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return ProblemTypeOut(type=problem.type, title=problem.title, status=problem.status)
