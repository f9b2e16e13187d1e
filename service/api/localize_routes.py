"""POST /localize and HEAD /clips/{clip_id}: from a form to the engine and back."""

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
Send a recording and what to listen for; get the times in which each sound is heard.

```
curl -F audio=@street.wav -F 'query=a dog barks' -F 'query=a siren' http://127.0.0.1:8000/localize
```

The answer's `clip.id` names the recording: ask again with `-F clip_id=...` instead of the file, and only the queries
are computed. A query is heard where its calibrated score is above the threshold; if it is nowhere, `present` is false
and `segments` is empty. The `Server-Timing` header tells what the request spent its time on.
"""


class LocalizeRoutes:
    """The routes that ask the engine.

    Args:
        engine: Answers; called from worker threads.
        settings: For the limits of the form and the deadline.
        admission: Lets requests in.
        metrics: Where clips and stages are counted.
    """

    def __init__(self, engine: LocalizationEngine, settings: Settings, admission: Admission, metrics: Metrics) -> None:
        self._engine = engine
        self._limits = form_limits(settings)
        self._timeout_s = settings.request_timeout_s
        self._admission = admission
        self._workers = WorkerThreads(settings.max_requests)
        self._metrics = metrics

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(tags=["localization"])
        router.add_api_route(
            "/localize",
            self.localize,
            methods=["POST"],
            summary="When is each sound heard?",
            description=DESCRIPTION,
            response_model=None,
            response_description="When each query is heard",
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
            summary="Is this clip still known?",
            status_code=HTTPStatus.NO_CONTENT,
            response_model=None,
            response_description="It is: send its id instead of its audio",
            responses={404: {"description": "It is not: send its audio again"}, "default": OTHER_PROBLEMS},
        )
        return router

    async def localize(self, request: Request) -> Response:
        """Answers one request."""
        began, call = time.perf_counter(), Call(self._timeout_s)
        with self._admission.admit() as admitted:
            async with open_form(request, self._limits, partial(self._admission.reserve, admitted)) as form:
                localize_request = read_localize_form(form)
                postprocessing = self._engine.manifest.postprocessing.override(**localize_request.overrides)
                stages = {"upload": time.perf_counter() - began}
                body = await self._workers.run(
                    request, call, lambda: self._answer(localize_request, postprocessing, call)
                )
        stages |= call.stage_s
        self._metrics.count_stages(stages)
        timing = ", ".join(f"{stage};dur={seconds * 1000:.1f}" for stage, seconds in stages.items())
        return SlicedResponse(body, media_type="application/json", headers={"Server-Timing": timing})

    async def check_clip(self, clip_id: str = Path(description="The `clip.id` of an earlier answer.")) -> Response:
        """Tells whether a clip's audio need not be sent again."""
        if not await anyio.to_thread.run_sync(self._engine.knows_clip, clip_id):  # may ask Redis
            raise ClipNotFound(clip_id)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    def _answer(self, asked: LocalizeRequest, postprocessing: Postprocessing, call: Call) -> bytes:
        """Does all that is heavy, and gives the answer's JSON."""
        localization = self._engine.localize(asked.clip, asked.queries, postprocessing, call)
        with call.stage("post"):
            body = encode_answer(localization, self._engine.manifest, asked.curves, asked.curve_format)
        self._metrics.count_clip(localization.duration_s, localization.cached, len(asked.queries))
        return body
