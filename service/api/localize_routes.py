"""The routes POST /localize and HEAD /clips/{clip_id}, which use the engine."""

import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from http import HTTPStatus

import anyio
import anyio.to_thread
from fastapi import APIRouter, Path, Request, Response

from service.api.access import audio_counter
from service.api.admission import Admission, ReceivedRequest
from service.api.answer_budget import AnswerBudget, HeldBytes
from service.api.answer_formats import AnswerFormat, chosen_format, other_content
from service.api.body import declared_bytes, receive_body
from service.api.examples import ExampleFinder
from service.api.lanes import Lanes
from service.api.localize_body import open_body
from service.api.localize_form import LocalizeRequest, form_limits, read_localize_form
from service.api.metrics import Metrics
from service.api.problem_examples import OTHER_PROBLEMS, problem_responses
from service.api.request_document import request_body, url_parameters
from service.api.schemas import LOCALIZE_EXAMPLE, LocalizeOut
from service.api.sliced_response import SlicedResponse
from service.api.workers import WorkerThreads
from service.core.errors import ClipNotFound
from service.core.localization import GroupedResults
from service.core.postprocessing import Postprocessing
from service.engine.call import Call
from service.engine.clip import Clip, KnownClip
from service.engine.containers import is_compressed_from_start
from service.engine.interface import Localization, LocalizationEngine
from service.engine.plain_wav import plain_wav
from service.pace import Pace
from service.request_fields import add_request_fields
from service.settings import Settings
from service.tracing import current_trace

DESCRIPTION = """
Finds the times at which each described sound is heard in a clip.

```
curl -F audio=@street.wav -F 'query=a dog barks' -F 'query=a siren' http://127.0.0.1:8000/localize
```

The answer's `clip.id` identifies the clip: send `-F clip_id=...` instead of the file in later requests, and only the
queries are computed. A known clip can also be named in a urlencoded form or in a JSON object, for example `{"clip_id":
"...", "query": ["a dog barks"]}`. The audio can also be the body itself, with a Content-Type such as `audio/wav` and
the other fields in the URL: `POST /localize?query=a+dog+barks`. A query is heard where its calibrated score is above
the threshold; if the score is nowhere above the threshold, `present` is false and `segments` is empty. The
`Server-Timing` header lists the time that each stage of the request took.
"""

_MAX_WRITERS = 2
"""Number of threads that compute the first parts of long answers, and number of threads that compute the later parts.
Each thread takes about 30 MB while it works."""
_MAX_HEADER_READERS = 4
_CALL_CHECK_S = 0.25
"""Time between two checks of whether the answer is still wanted, while it waits for a thread."""


class LocalizeRoutes:
    """Handlers of the routes that use the engine.

    Args:
        engine: The engine, which is called from worker threads.
        settings: The settings, which hold the limits of the form and the deadline.
        admission: Admission control of POST /localize.
        metrics: Metrics in which clips and stages are counted.
        lanes: The lanes in which admitted requests wait for their turn.
        examples: Finds the recordings of examples; by default only clips that the service remembers.
    """

    def __init__(
        self,
        engine: LocalizationEngine,
        settings: Settings,
        admission: Admission,
        metrics: Metrics,
        lanes: Lanes,
        examples: ExampleFinder | None = None,
    ) -> None:
        self._engine = engine
        self._examples = examples or ExampleFinder(engine, None)
        self._limits = form_limits(settings)
        self._pace = Pace(settings.request_timeout_s, settings.min_bytes_per_s)
        self._admission = admission
        self._budget = AnswerBudget(settings.max_answer_bytes, admission.retry_after_s)
        self._later_part_threads = anyio.CapacityLimiter(_MAX_WRITERS)
        self._first_part_slots = threading.Semaphore(_MAX_WRITERS)
        self._lanes, self._workers = lanes, WorkerThreads(lanes)
        self._header_threads = anyio.CapacityLimiter(_MAX_HEADER_READERS)
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
                200: {
                    "model": LocalizeOut,
                    "content": {"application/json": {"example": LOCALIZE_EXAMPLE}, **other_content()},
                },
                **problem_responses(),
            },
            openapi_extra={"requestBody": request_body(), "parameters": url_parameters()},
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
        start_s, call = time.monotonic(), Call(self._pace.timeout_s, audio_counter(request.scope))
        stages: dict[str, float] = {}
        try:
            with self._admission.receive(min(declared_bytes(request.headers), self._limits.max_body_bytes)) as received:
                async with open_body(request, self._limits, self._body(request, received, call)) as form:
                    localize_request = read_localize_form(form)
                    add_request_fields(n_queries=len(localize_request.queries))
                    answer_format = AnswerFormat(
                        chosen_format(localize_request.format, request.headers),
                        localize_request.curves,
                        localize_request.curve_format,
                    )
                    postprocessing = self._engine.manifest.postprocessing.override(**localize_request.overrides)
                    stages["upload"] = time.monotonic() - start_s
                    n_windows = await self._expected_windows(localize_request.clip)
                    with (
                        self._admission.work(received, n_windows),
                        self._engine.batcher.expecting(call, n_windows or 0),
                    ):
                        answer = await self._workers.run(
                            request,
                            call,
                            lambda: self._answer(localize_request, postprocessing, call, answer_format),
                            self._lanes.lane_of(n_windows),
                        )
        finally:
            stages.setdefault("upload", time.monotonic() - start_s)  # the upload failed
            stages |= call.stage_s
            add_request_fields(**{f"{stage}_ms": round(seconds * 1000, 1) for stage, seconds in stages.items()})
            upload_times = {"upload": (start_s, start_s + stages["upload"])}
            current_trace().add_stages(upload_times | call.stage_times, stages)
        self._metrics.count_stages(stages)
        timing = ", ".join(f"{stage};dur={seconds * 1000:.1f}" for stage, seconds in stages.items())
        headers = {"Server-Timing": timing} | answer_format.headers
        return SlicedResponse(answer.beginning, answer.rest, self._pace, self._later_part_threads, answer.held, headers)

    async def _body(self, request: Request, received: ReceivedRequest, call: Call) -> AsyncIterator[bytes]:
        """Yields the body of a request as it arrives, and counts it."""
        async for piece in receive_body(request, self._pace, call):
            self._admission.count(received, len(piece))
            yield piece

    async def _expected_windows(self, clip: Clip) -> int | None:
        """Expected number of windows of an upload; None for a known clip. Reads the header of the upload.

        A header that may have to be searched for, or that may have many parts, is read in a thread.
        """
        if isinstance(clip, KnownClip):
            return None
        if plain_wav(clip.file) or is_compressed_from_start(clip.file):
            return self._engine.expected_windows(clip)
        return await anyio.to_thread.run_sync(self._engine.expected_windows, clip, limiter=self._header_threads)

    async def check_clip(self, clip_id: str = Path(description="The `clip.id` of an earlier answer.")) -> Response:
        """Checks whether the embeddings of a clip are cached, so that a client need not send its audio again."""
        if not await anyio.to_thread.run_sync(self._engine.knows_clip, clip_id):  # may query Redis, which blocks
            raise ClipNotFound(clip_id)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    def _answer(
        self,
        localize_request: LocalizeRequest,
        postprocessing: Postprocessing,
        call: Call,
        answer_format: AnswerFormat,
    ) -> "_Answer":
        """Does the heavy work of POST /localize in a worker thread.

        Raises:
            TooManyAnswerBytes: If too many bytes of answers wait to be read.
        """
        words = localize_request.queries
        learnt = self._examples.learnt_query(words, localize_request.like, localize_request.unlike, call)
        localization = self._engine.localize(localize_request.clip, words, postprocessing, call, learnt)
        with call.stage("post"):
            answer = self._begin_answer(localization, answer_format, call)
        add_request_fields(audio_s=round(localization.duration_s, 3), cached=localization.cached)
        self._metrics.count_clip(
            localization.duration_s,
            localization.cached,
            len(localization.results),
            [warning.code for warning in localization.warnings],
        )
        return answer

    def _begin_answer(self, localization: Localization, answer_format: AnswerFormat, call: Call) -> "_Answer":
        parts = answer_format.parts(localization, self._engine.manifest, call)
        results = localization.results
        if not isinstance(results, GroupedResults):
            body = b"".join(parts)
            return _Answer(body, None, self._budget.hold(len(body)))
        held = self._budget.hold(results.group_bytes, localization.clip_id, results.clip_bytes)
        while not self._first_part_slots.acquire(timeout=_CALL_CHECK_S):
            call.check()
        try:
            beginning = next(parts) + next(parts, b"")  # a failure of the first group is still answered with a problem
        finally:
            self._first_part_slots.release()
        return _Answer(beginning, parts, held)


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer that is about to be sent.

    Attributes:
        beginning: The body, or the beginning of the body.
        rest: The other parts of the body, which are computed when they are sent; None if the body is complete.
        held: The bytes that the answer holds until it is sent.
    """

    beginning: bytes
    rest: Iterator[bytes] | None
    held: HeldBytes
