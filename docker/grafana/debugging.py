"""The dashboard that shows where a slow or failing request spends its time, part by part."""

from panels import Head, Limits, Panel, Row, Series, graph, heat_map, listing, number
from queries import mean, quantile, rate, selected, total

TITLE = "Earmark: debugging"
_STAGES = {
    "upload": "receiving the request. Slow clients or a slow network make it long",
    "cache": "identifying the clip and looking it up. A slow Redis makes it long",
    "decode": "waiting for decoded samples. Compressed and long clips make it long",
    "queue": "waiting for the audio encoder. Load makes it long",
    "inference": "in the audio and text encoders. Long clips and large batches make it long",
    "post": "scoring, cutting segments and writing the answer. Long clips and many queries make it long",
}


def rows() -> tuple[Row, ...]:
    """The rows of the dashboard."""
    return (
        Row("Versions", "What exactly is running, and since when?", _versions()),
        Row(
            "Stages", "How are the times of each stage distributed, and is a slow request shown by a trace?", _stages()
        ),
        Row("Batches", "Are batches full, how long do they take, and do any fail?", _batches()),
        Row("Queue", "Is the audio encoder or something before it the bottleneck?", _queue()),
        Row("Redis", "Is Redis used, how do lookups end, and what goes wrong?", _redis()),
        Row("Decoders", "Are there enough decoder processes, and do clips crash them?", _decoders()),
        Row("Library", "Are searches of the library fast, and how much does it hold?", _library()),
        Row("Routes", "Which other route is slow or fails?", _routes()),
    )


def _versions() -> tuple[Panel, ...]:
    return (
        listing(
            Head("Builds", "Versions of Earmark, Python and ONNX Runtime by instance.", "none", 9),
            Series(
                f"max by (instance, version, python, onnxruntime) ({selected('earmark_build_info')})", "{{instance}}"
            ),
        ),
        listing(
            Head("Models", "Model, execution provider and set device (EARMARK_DEVICE) by instance.", "none", 9),
            Series(
                f"max by (instance, name, version, provider, device) ({selected('earmark_model_info')})", "{{instance}}"
            ),
        ),
        number(
            Head(
                "Shortest uptime",
                "Time since the latest start of an instance. Short: it has just been restarted.",
                "s",
                6,
            ),
            Series(f"min(time() - {selected('earmark_process_start_time_seconds')})", "uptime"),
        ),
    )


def _stages() -> tuple[Panel, ...]:
    return tuple(
        heat_map(
            Head(f"Stage {stage}", f"Answered requests by the time that they spent {meaning}.", "s"),
            rate("earmark_stage_seconds_bucket", f'stage="{stage}"', "le"),
        )
        for stage, meaning in _STAGES.items()
    )


def _batches() -> tuple[Panel, ...]:
    return (
        graph(
            Head(
                "Batch fill",
                "Mean number of windows in a batch, as a share of the maximum (EARMARK_BATCH_WINDOWS). Full batches with a "
                "backlog on a GPU: raise the maximum.",
                "percentunit",
            ),
            Series(
                f"{mean('earmark_batch_windows', by='instance')} / {total('earmark_max_batch_windows', by='instance')}",
                "{{instance}}",
            ),
            limits=Limits(highest=1),
        ),
        heat_map(
            Head("Windows in a batch", "Batches by their number of windows.", "none"),
            rate("earmark_batch_windows_bucket", by="le"),
        ),
        graph(
            Head("Time of a batch", "Mean time that the audio encoder takes for a batch, and for a window.", "s"),
            Series(f"{rate('earmark_inference_seconds_total')} / {rate('earmark_batches_total')}", "batch"),
            Series(f"{rate('earmark_inference_seconds_total')} / {rate('earmark_windows_total')}", "window"),
        ),
        graph(
            Head("Batches", "Batches per second. A failed batch fails the requests whose windows it had.", "ops"),
            Series(rate("earmark_batches_total"), "processed"),
            Series(rate("earmark_batches_failed_total"), "failed"),
        ),
        graph(
            Head(
                "Windows",
                "Windows per second. Windows are dropped if their client has gone or their time is up.",
                "ops",
            ),
            Series(rate("earmark_windows_total"), "embedded"),
            Series(rate("earmark_windows_dropped_total"), "dropped"),
        ),
        graph(
            Head("Queries of a request", "Number of queries in a request to POST /localize.", "none"),
            Series(mean("earmark_queries"), "mean"),
            Series(quantile(0.95, "earmark_queries"), "95%"),
        ),
    )


def _queue() -> tuple[Panel, ...]:
    return (
        graph(
            Head("Queued windows", "Windows that wait for the audio encoder or are in it.", "none"),
            Series(total("earmark_queued_windows", by="instance"), "{{instance}}"),
        ),
        graph(
            Head("Backlog", "Estimated time to process all windows of the running requests.", "s"),
            Series(total("earmark_backlog_seconds", by="instance"), "{{instance}}"),
        ),
        graph(
            Head("Time in the queue", "Time that answered requests wait for the audio encoder.", "s"),
            *(
                Series(quantile(share, "earmark_stage_seconds", 'stage="queue"'), f"{share:.0%}", exemplars=True)
                for share in (0.5, 0.95, 0.99)
            ),
        ),
    )


def _redis() -> tuple[Panel, ...]:
    return (
        graph(
            Head(
                "Circuit breaker",
                "1 for the state of the breaker of each instance. Open: Redis failed three times in a row and is not used; "
                "half open: the next lookup tries it. All 0: Redis is not set.",
                "none",
            ),
            Series(total("earmark_redis_breaker_state", by="instance, state"), "{{instance}} {{state}}"),
            limits=Limits(highest=1),
        ),
        graph(
            Head("Lookups by tier and outcome", "Lookups of clips. Skipped: the breaker is open.", "ops"),
            Series(rate("earmark_cache_lookups_total", by="tier, outcome"), "{{tier}} {{outcome}}"),
            stacked=True,
        ),
        graph(
            Head("Failures by operation", "Requests to Redis that failed or took more than 0.1 s.", "ops"),
            Series(rate("earmark_redis_failures_total", by="operation"), "{{operation}}"),
            stacked=True,
        ),
        graph(
            Head("Error replies by reason", "Requests that Redis refused, for example because it is full.", "ops"),
            Series(rate("earmark_redis_refusals_total", by="reason"), "{{reason}}"),
            stacked=True,
        ),
        graph(
            Head("Embeddings that were not written", "By reason. They are computed again when they are needed.", "ops"),
            Series(rate("earmark_redis_drops_total", by="reason"), "{{reason}}"),
            stacked=True,
        ),
        graph(
            Head(
                "Openings and damaged values",
                "Times that the breaker opened, and values in Redis that were no valid embeddings: another program writes to it.",
                "ops",
            ),
            Series(rate("earmark_redis_breaker_openings_total"), "openings"),
            Series(rate("earmark_redis_bad_values_total"), "damaged values"),
        ),
    )


def _decoders() -> tuple[Panel, ...]:
    return (
        graph(
            Head(
                "Processes",
                "Decoder processes that run, and those that decode a clip. More than EARMARK_DECODERS run while all are busy.",
                "none",
            ),
            Series(total("earmark_decoder_processes"), "running"),
            Series(total("earmark_decoder_processes_busy"), "busy"),
        ),
        graph(
            Head("Starts", "Decoder processes per second that were started, replacements included.", "ops"),
            Series(rate("earmark_decoder_starts_total", by="instance"), "{{instance}}"),
        ),
        graph(
            Head(
                "Failures by kind",
                "Crashed: a clip broke the decoder. Hung: it stopped answering. Killed: from outside, often for lack of memory.",
                "ops",
            ),
            Series(rate("earmark_decoder_failures_total", by="kind"), "{{kind}}"),
            stacked=True,
        ),
    )


def _library() -> tuple[Panel, ...]:
    return (
        graph(
            Head(
                "Search time, 95th percentile",
                "Time of a search by whether all frames are read (exact). Many small additions to a library make it long.",
                "s",
            ),
            Series(quantile(0.95, "earmark_search_seconds", by="exact"), "exact: {{exact}}"),
        ),
        graph(
            Head("Searched recordings", "Recordings that the last search covered, after its condition.", "none"),
            Series(f"max({selected('earmark_searched_recordings')})", "recordings"),
        ),
        graph(
            Head("Changes", "Recordings per second that clients added to the library or removed from it.", "ops"),
            Series(rate("earmark_library_changes_total", by="kind"), "{{kind}}"),
            stacked=True,
        ),
    )


def _routes() -> tuple[Panel, ...]:
    return (
        graph(
            Head("95 % by route", "Time within which 95 % of the requests to a route are answered.", "s", 12),
            Series(quantile(0.95, "earmark_request_seconds", by="route"), "{{route}}", exemplars=True),
        ),
        graph(
            Head("Errors by route", "Requests per second that end with a client or server error.", "reqps", 12),
            Series(rate("earmark_requests_total", 'status=~"[45].."', "route, status"), "{{route}} {{status}}"),
            stacked=True,
        ),
    )
