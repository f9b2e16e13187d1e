"""The routes POST /localize and HEAD /clips/{clip_id}, which use the engine."""

import time
from functools import partial
from http import HTTPStatus

import anyio.to_thread
from fastapi import APIRouter, Path, Request, Response

from service.answer import encode_answer
from service.api.admission import Admission
from service.api.form import open_form
from service.api.localize_form import LocalizeRequest, form_limits, read_localize_form, request_body
from service.api.metrics import Metrics
from service.api.problem_examples import OTHER_PROBLEMS, problem_responses
from service.api.schemas import LOCALIZE_EXAMPLE, LocalizeOut
from service.api.sliced_response import SlicedResponse
from service.api.workers import WorkerThreads
from service.core.errors import ClipNotFound
from service.core.postprocessing import Postprocessing
from service.engine.call import Call
from service.engine.interface import LocalizationEngine
from service.settings import Settings

DESCRIPTION = """
Finds the times at which each described sound is heard in a clip.

```
curl -F audio=@street.wav -F 'query=a dog barks' -F 'query=a siren' http://127.0.0.1:8000/localize
```

The answer's `clip.id` identifies the clip: send `-F clip_id=...` instead of the file in later requests, and only the
queries are computed. A query is heard where its calibrated score is above the threshold; if the score is nowhere above
the threshold, `present` is false and `segments` is empty. The `Server-Timing` header lists the time that each stage of
the request took.
"""


class LocalizeRoutes:
    """Handlers of the routes that use the engine.

    Args:
        engine: The engine, which is called from worker threads.
        settings: The settings, which hold the limits of the form and the deadline.
        admission: Admission control of POST /localize.
        metrics: Metrics in which clips and stages are counted.
    """

    def __init__(self, engine: LocalizationEngine, settings: Settings, admission: Admission, metrics: Metrics) -> None:
        self._engine = engine
        self._limits = form_limits(settings)
        self._timeout_s = settings.request_timeout_s
        self._admission = admission
        self._workers = WorkerThreads(settings.max_requests)
        self._metrics = metrics

    def router(self) -> APIRouter:
        """A router with these routes."""
        router = APIRouter(tags=["localization"])
        router.add_api_route(
            "/localize",
            self.localize,
            methods=["POST"],
            summary="When is each sound heard?",
            description=DESCRIPTION,
            response_model=None,
            response_description="The segments in which each query is heard",
            responses={
                200: {"model": LocalizeOut, "content": {"application/json": {"example": LOCALIZE_EXAMPLE}}},
                **problem_responses(),
            },
            openapi_extra={"requestBody": request_body()},
        )
        router.add_api_route(
            "/clips/{clip_id}",
            self.check_clip,
            name="know_clip",
            methods=["HEAD"],
            summary="Is this clip still cached?",
            status_code=HTTPStatus.NO_CONTENT,
            response_model=None,
            response_description="The clip is cached: send its id instead of its audio",
            responses={404: {"description": "The clip is not cached: send its audio again"}, "default": OTHER_PROBLEMS},
        )
        return router

    async def localize(self, request: Request) -> Response:
        """Answers POST /localize."""
        start_s, call = time.perf_counter(), Call(self._timeout_s)
        with self._admission.admit() as admitted:
            async with open_form(request, self._limits, partial(self._admission.reserve, admitted)) as form:
                localize_request = read_localize_form(form)
                postprocessing = self._engine.manifest.postprocessing.override(**localize_request.overrides)
                stages = {"upload": time.perf_counter() - start_s}
                body = await self._workers.run(
                    request, call, lambda: self._answer(localize_request, postprocessing, call)
                )
        stages |= call.stage_s
        self._metrics.count_stages(stages)
        timing = ", ".join(f"{stage};dur={seconds * 1000:.1f}" for stage, seconds in stages.items())
        return SlicedResponse(body, media_type="application/json", headers={"Server-Timing": timing})

    async def check_clip(self, clip_id: str = Path(description="The `clip.id` of an earlier answer.")) -> Response:
        """Checks whether the embeddings of a clip are cached, so that a client need not send its audio again."""
        if not await anyio.to_thread.run_sync(self._engine.knows_clip, clip_id):  # may query Redis, which blocks
            raise ClipNotFound(clip_id)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    def _answer(self, localize_request: LocalizeRequest, postprocessing: Postprocessing, call: Call) -> bytes:
        """Does the heavy work of POST /localize in a worker thread, and returns the answer as JSON."""
        localization = self._engine.localize(localize_request.clip, localize_request.queries, postprocessing, call)
        with call.stage("post"):
            body = encode_answer(
                localization, self._engine.manifest, localize_request.curves, localize_request.curve_format
            )
        self._metrics.count_clip(
            localization.duration_s,
            localization.cached,
            len(localize_request.queries),
            [warning.code for warning in localization.warnings],
        )
        return body
