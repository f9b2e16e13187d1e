"""The route POST /search, which searches the library of the service."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import PurePath

import numpy as np
from fastapi import APIRouter, Request, Response

from service.answer import SCORE_DECIMALS, SIMILARITY_DECIMALS, segment_values
from service.api.access import audio_counter
from service.api.admission import Admission
from service.api.body import declared_bytes, receive_body
from service.api.examples import ExampleFinder
from service.api.lanes import Lanes
from service.api.library_metrics import LibraryMetrics
from service.api.library_schemas import CurveOut, FacetOut, MomentOut, RecordingOut, SearchOut
from service.api.problem_examples import LOCALIZE_PROBLEMS, problem_responses
from service.api.schemas import ModelOut, WarningOut
from service.api.search_body import (
    MAX_BODY_BYTES,
    MAX_LIMIT,
    RECORDING_FACET,
    Cursor,
    SearchBody,
    as_list,
    read_search_body,
)
from service.api.workers import WorkerThreads
from service.core.errors import AudioError, DecoderLost, ParameterInvalid, TemporarySpaceFull
from service.core.library_errors import FilterInvalid, LibraryAbsent, LibraryDamaged
from service.core.request_errors import ClipUnclear, FieldsTooLarge, NotAForm, TooManyFields
from service.core.warnings import AnswerWarning
from service.engine.call import Call
from service.engine.interface import LocalizationEngine
from service.library.moment_curves import CurveReader, MomentCurve
from service.library.recording import Recording
from service.library.searching import MAX_MOMENTS, Moment, SearchOptions, SearchQuery, SearchResult
from service.library.serving import ServedLibrary
from service.pace import Pace
from service.request_fields import add_request_fields

DESCRIPTION = """
Finds the moments of the library in which sounds are heard, those with the highest scores first.

```
curl -H 'Content-Type: application/json' -d '{"query": "a chainsaw", "limit": 20}' http://127.0.0.1:8000/search
```

A moment is a segment of a recording: its times and its score are those that `POST /localize` gives for the recording. The
answer says how many seconds of recordings were searched, and whether all frames were read (`exact`).
"""


@dataclass(frozen=True, slots=True)
class Admissions:
    """Admission control, and the lanes in which admitted requests wait for their turn."""

    admission: Admission
    lanes: Lanes


_ABOUT_AUDIO = (AudioError, ClipUnclear, NotAForm, TooManyFields, DecoderLost, TemporarySpaceFull)
"""Problems of requests that send audio or a form."""
SEARCH_PROBLEMS = (
    FilterInvalid("it has no end", "comparisons"),
    LibraryAbsent(),
    LibraryDamaged("archive", "a block is missing"),
    FieldsTooLarge(MAX_BODY_BYTES),
    *(error for error in LOCALIZE_PROBLEMS if not isinstance(error, _ABOUT_AUDIO)),
)


class SearchRoutes:
    """Handler of POST /search.

    Args:
        engine: The engine, which encodes queries.
        library: The library of the service; None if it has none.
        admissions: Admission control, and the lanes in which admitted requests wait for their turn.
        pace: Deadline of requests, and the speed that clients must keep.
        metrics: Metrics of the library.
    """

    def __init__(
        self,
        engine: LocalizationEngine,
        library: ServedLibrary | None,
        admissions: Admissions,
        pace: Pace,
        metrics: LibraryMetrics,
    ) -> None:
        self._engine, self._library, self._pace, self._metrics = engine, library, pace, metrics
        self._admission, self._lanes = admissions.admission, admissions.lanes
        self._workers = WorkerThreads(self._lanes)

    def router(self) -> APIRouter:
        """A router with this route."""
        router = APIRouter(tags=["library"])
        schema = SearchBody.model_json_schema(ref_template="#/components/schemas/{model}")
        router.add_api_route(
            "/search",
            self.search,
            methods=["POST"],
            summary="Where in the library is each sound heard?",
            description=DESCRIPTION,
            response_model=None,
            responses={200: {"model": SearchOut}, **problem_responses([*SEARCH_PROBLEMS])},
            openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}},
        )
        return router

    async def search(self, request: Request) -> Response:
        """Answers POST /search."""
        library, call = self._library, Call(self._pace.timeout_s, audio_counter(request.scope))
        if library is None:
            raise LibraryAbsent
        with self._admission.receive(min(declared_bytes(request.headers), MAX_BODY_BYTES)) as received:
            content = bytearray()
            async for piece in receive_body(request, self._pace, call):
                self._admission.count(received, len(piece))
                content += piece
                if len(content) > MAX_BODY_BYTES:
                    raise FieldsTooLarge(MAX_BODY_BYTES)
            body = read_search_body(bytes(content))
            lane = self._lanes.long if body.exact else self._lanes.lane_of(None)
            with self._admission.work(received, None):
                answer = await self._workers.run(request, call, lambda: self._answer(library, body, call), lane)
        return Response(answer.model_dump_json(), media_type="application/json")

    def _answer(self, library: ServedLibrary, body: SearchBody, call: Call) -> SearchOut:
        """Searches in a worker thread."""
        began_s, manifest = time.monotonic(), self._engine.manifest
        cursor = Cursor.of_text(body.cursor, body.digest) if body.cursor else None
        facets = _facet_columns(body.facets, library)
        queries, warnings = self._queries(library, body, call)
        n_before = cursor.n_seen if cursor else 0
        top = MAX_MOMENTS if facets else min(MAX_MOMENTS, n_before + body.limit + 1)
        options = SearchOptions(top, body.where, body.exact, manifest.postprocessing.override(**body.overrides))
        result, left = _search_behind(cursor, library, queries, options, call)
        while len(left) <= body.limit and len(result.moments) == options.top < MAX_MOMENTS:
            # better moments were added since the page before
            options = replace(options, top=min(MAX_MOMENTS, 2 * options.top))
            result, left = _search_behind(cursor, library, queries, options, call)
        page, texts = left[: body.limit], [query.text for query in queries]
        more = len(left) > body.limit and n_before + body.limit < MAX_MOMENTS
        next_cursor = Cursor(n_before + len(page), page[-1].rank).to_text(body.digest) if more else None
        reader = CurveReader(library.searcher.library, manifest, options.postprocessing, body.curve_s or 0)
        curves = reader.read(page, [query.encoded for query in queries]) if body.curve_s is not None else repeat(None)
        moments = [_moment(*pair, texts, manifest.grid.hop_s) for pair in zip(page, curves, strict=False)]
        self._metrics.count_search(body.exact, time.monotonic() - began_s, result.n_recordings)
        add_request_fields(n_queries=len(queries), n_moments=len(page), exact=body.exact)
        return SearchOut(
            model=ModelOut(name=manifest.name, version=manifest.version),
            searched_s=round(result.searched_s, 3),
            n_recordings=result.n_recordings,
            exact=result.exact,
            moments=moments,
            next_cursor=next_cursor,
            facets={name: _counts(name, result) for name in facets},
            warnings=[[warning_out(warning) for warning in each] for each in warnings],
        )

    def _queries(
        self, library: ServedLibrary, body: SearchBody, call: Call
    ) -> tuple[list[SearchQuery], Sequence[Sequence[AnswerWarning]]]:
        """The queries: one for each text, or one that is learnt from examples and at most one text."""
        words, like, unlike = as_list(body.query), as_list(body.like), as_list(body.unlike)
        learnt = ExampleFinder(self._engine, library).learnt_query(words, like, unlike, call)
        if learnt is not None:
            nothing = np.zeros((0, self._engine.manifest.dimension), np.float16)
            return [SearchQuery(learnt.text, learnt.learn(nothing))], [learnt.warnings] if words else []
        texts = self._engine.encode(words, call)
        return [SearchQuery(*pair) for pair in zip(words, texts.encoded.split(), strict=True)], texts.warnings


def _search_behind(
    cursor: Cursor | None, library: ServedLibrary, queries: Sequence[SearchQuery], options: SearchOptions, call: Call
) -> tuple[SearchResult, Sequence[Moment]]:
    """Searches the library; returns the result, and its moments behind a cursor."""
    result = library.searcher.search(queries, options, call.check)
    return result, [moment for moment in result.moments if cursor is None or moment.rank > cursor.rank]


def _facet_columns(facets: Sequence[str], library: ServedLibrary) -> list[str]:
    known = (RECORDING_FACET, *library.searcher.library.metadata_columns())
    for name in facets:
        if name not in known:
            raise ParameterInvalid("facets", repr(name[:60]), ", ".join(known))
    return list(dict.fromkeys(facets))


def _counts(column: str, result: SearchResult) -> list[FacetOut]:
    value_of: Callable[[Moment], str | float | None] = (
        (lambda moment: moment.recording.id)
        if column == RECORDING_FACET
        else (lambda moment: moment.recording.metadata.get(column))
    )
    counts = Counter(map(value_of, result.moments)).most_common(MAX_LIMIT)
    names = {moment.recording.id: _name(moment.recording) for moment in result.moments}
    is_recording = column == RECORDING_FACET
    return [
        FacetOut(value=value, name=names[str(value)] if is_recording else None, count=count) for value, count in counts
    ]


def recording_out(recording: Recording) -> RecordingOut:
    """A recording as clients see it."""
    return RecordingOut(
        id=recording.id,
        name=_name(recording),
        duration_s=round(recording.duration_s, 6),
        metadata=dict(recording.metadata),
    )


def _name(recording: Recording) -> str:
    return PurePath(recording.path).name if recording.path else ""


def warning_out(warning: AnswerWarning) -> WarningOut:
    """A warning as clients see it."""
    return WarningOut(code=warning.code, message=warning.message, onset_s=warning.onset_s, offset_s=warning.offset_s)


def _moment(moment: Moment, curve: MomentCurve | None, texts: Sequence[str], hop_s: float) -> MomentOut:
    times = {name: round(float(value), 6) for name, value in segment_values(moment.segment).items()}
    curve_out = None
    if curve is not None:
        score, similarity = np.round(curve.score, SCORE_DECIMALS), np.round(curve.similarity, SIMILARITY_DECIMALS)
        curve_out = CurveOut(
            start_s=round(curve.first_frame * hop_s, 6),
            hop_s=hop_s,
            score=[float(str(value)) for value in score],  # the digits of 32-bit floats
            similarity=[float(str(value)) for value in similarity],
        )
    return MomentOut(query=texts[moment.query], recording=recording_out(moment.recording), curve=curve_out, **times)
