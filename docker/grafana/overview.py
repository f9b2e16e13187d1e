"""The dashboard that says whether the service does well, and what it is short of."""

from panels import Head, Limits, Panel, Row, Series, graph, number
from queries import quantile, rate, selected, total

TITLE = "Earmark: overview"
LOCALIZE = 'route="/localize"'
_BURN = "earmark:error_budget_burn:rate"


def rows() -> tuple[Row, ...]:
    """The rows of the dashboard."""
    return (
        Row("Health", "Does the service answer, and is something wrong now?", _health()),
        Row("Error budget", "How fast do server errors use up the error budget of 0.5 % of the requests?", _budget()),
        Row("Traffic", "Who asks for what, and how much?", _traffic()),
        Row("Errors", "Which requests fail or are refused, and why?", _errors()),
        Row("Latency", "How long do answers take, and in which stage?", _latency()),
        Row("Keys", "Which clients send the load, and whom do their limits stop?", _keys()),
        Row("Audio", "How much audio is processed, how fast, and in clips of what length?", _audio()),
        Row(
            "Saturation",
            "What is the service short of: the model, decoders, processor, memory or files?",
            _saturation(),
        ),
        Row("Cache", "How many clips need no computation, and is the memory of the cache large enough?", _cache()),
        Row("GPU", "Does the model run on the GPU, and is the GPU used well?", _gpu()),
    )


def _health() -> tuple[Panel, ...]:
    return (
        number(
            Head("Ready instances", "Instances that accept requests. 0: nobody gets an answer.", "none", 4),
            Series(total("earmark_ready"), "ready"),
        ),
        number(
            Head("Instances not ready", "Instances that answer scrapes but not requests: see GET /readyz.", "none", 4),
            Series(f"sum(1 - {selected('earmark_ready')})", "not ready"),
            Limits(critical=1),
        ),
        number(
            Head("Firing alerts", "Alerts that are firing now; docker/alerts.md says what to do.", "none", 4),
            Series('count(ALERTS{alertstate="firing"}) or vector(0)', "alerts"),
            Limits(critical=1),
        ),
        number(
            Head("Requests", "Requests to POST /localize per second.", "reqps", 4),
            Series(rate("earmark_requests_total", LOCALIZE), "requests"),
            decimals=2,
        ),
        number(
            Head("95 % faster than", "Time within which 95 % of the requests to POST /localize are answered.", "s", 4),
            Series(quantile(0.95, "earmark_request_seconds", LOCALIZE), "95 %"),
        ),
        number(
            Head("Wait", "Time that the windows in the queue take; a new clip waits for part of it.", "s", 4),
            Series(f"max({selected('earmark_backlog_seconds')})", "backlog"),
            Limits(warning=10, critical=30),
        ),
    )


def _budget() -> tuple[Panel, ...]:
    windows = ("5m", "1h", "6h", "3d")
    return (
        graph(
            Head(
                "Burn rate",
                "Speed at which server errors (5xx) of POST /localize use up the error budget. At 1 the budget lasts exactly "
                "30 days, at 14.4 two days. The alerts compare a short and a long window.",
                "none",
                16,
            ),
            *(Series(f"{_BURN}{window}", window) for window in windows),
            limits=Limits(warning=1, critical=14.4),
        ),
        graph(
            Head(
                "Answered without a server error",
                "Share of the requests to POST /localize that did not end with a server error. The objective is 99.5 %.",
                "percentunit",
            ),
            *(
                Series(f"1 - {_BURN}{window} * scalar(earmark:error_budget:ratio)", window)
                for window in ("1h", "1d", "3d")
            ),
            limits=Limits(highest=1),
        ),
    )


def _traffic() -> tuple[Panel, ...]:
    return (
        graph(
            Head("Requests by route", "Requests per second, probes and scrapes included.", "reqps"),
            Series(rate("earmark_requests_total", by="route"), "{{route}}"),
            stacked=True,
        ),
        graph(
            Head("POST /localize by status", "Requests per second. 429: refused, 499: the client has gone.", "reqps"),
            Series(rate("earmark_requests_total", LOCALIZE, "status"), "{{status}}"),
            stacked=True,
        ),
        graph(
            Head("Requests in flight", "Requests that are being received, processed or answered.", "none"),
            Series(total("earmark_requests_in_flight", by="instance"), "{{instance}}"),
        ),
    )


def _errors() -> tuple[Panel, ...]:
    requests = rate("earmark_requests_total", LOCALIZE)
    failed = {
        "client errors (4xx)": rate("earmark_requests_total", f'{LOCALIZE}, status=~"4.."'),
        "server errors (5xx)": rate("earmark_requests_total", f'{LOCALIZE}, status=~"5.."'),
    }
    return (
        graph(
            Head(
                "Share of failed requests",
                "Client errors are requests that nobody can answer; server errors are the fault of the service.",
                "percentunit",
            ),
            *(Series(f"{errors} / {requests}", legend) for legend, errors in failed.items()),
            limits=Limits(highest=1),
        ),
        graph(
            Head(
                "Refused requests",
                "Requests that were refused because of the load or the limits, by reason. Clients may try again.",
                "reqps",
            ),
            Series(rate("earmark_requests_refused_total", by="reason"), "{{reason}}"),
            stacked=True,
        ),
        graph(
            Head(
                "Clips with warnings",
                "Localized clips that have a fault, by warning. Many of one kind point to a broken recorder or transport.",
                "reqps",
            ),
            Series(rate("earmark_clip_warnings_total", by="code"), "{{code}}"),
            stacked=True,
        ),
    )


def _latency() -> tuple[Panel, ...]:
    def stages(share: float) -> Series:
        return Series(quantile(share, "earmark_stage_seconds", by="stage"), "{{stage}}", exemplars=True)

    return (
        graph(
            Head("POST /localize", "Time from the first byte of a request to the last byte of its answer.", "s"),
            *(
                Series(quantile(share, "earmark_request_seconds", LOCALIZE), f"{share:.0%}", exemplars=True)
                for share in (0.5, 0.95, 0.99)
            ),
        ),
        graph(
            Head("Median by stage", "Time that half of the answered requests spend at most in a stage.", "s"),
            stages(0.5),
        ),
        graph(
            Head("95 % by stage", "Time that 95 % of the answered requests spend at most in a stage.", "s"),
            stages(0.95),
        ),
    )


def _keys() -> tuple[Panel, ...]:
    limited = rate("earmark_key_requests_total", 'outcome="limited"', "key")
    return (
        graph(
            Head(
                "Requests by key", "Requests that need a key, by the name of the key. Without keys: anonymous.", "reqps"
            ),
            Series(rate("earmark_key_requests_total", by="key"), "{{key}}"),
            stacked=True,
        ),
        graph(
            Head(
                "Audio decoded by key",
                "Seconds of audio per second. They count against the daily quota of a key.",
                "none",
            ),
            Series(rate("earmark_key_audio_seconds_total", by="key"), "{{key}}"),
            stacked=True,
        ),
        graph(
            Head(
                "Requests refused by key",
                "Requests beyond the limits of a key or of the service (429), and requests without a key that is valid (401).",
                "reqps",
            ),
            Series(limited, "429: {{key}}"),
            Series(rate("earmark_key_refusals_total", by="reason"), "401: key {{reason}}"),
        ),
    )


def _audio() -> tuple[Panel, ...]:
    computed = rate("earmark_audio_seconds_total", 'cached="false"')
    return (
        graph(
            Head(
                "Audio localized",
                "Seconds of audio per second. New clips are decoded and embedded; cached clips are only compared with queries.",
                "none",
            ),
            Series(computed, "new"),
            Series(rate("earmark_audio_seconds_total", 'cached="true"'), "cached"),
            stacked=True,
        ),
        graph(
            Head(
                "Real-time factor",
                "Seconds of new audio per second in which the audio encoder works: the speed of the model on this device.",
                "none",
            ),
            Series(f"{computed} / {rate('earmark_inference_seconds_total')}", "audio seconds per second"),
        ),
        graph(
            Head("Length of clips", "Duration of the localized clips.", "s"),
            *(Series(quantile(share, "earmark_clip_seconds"), f"{share:.0%}") for share in (0.5, 0.95)),
        ),
    )


def _saturation() -> tuple[Panel, ...]:
    return (
        graph(
            Head(
                "Audio encoder busy",
                "Share of the time in which the audio encoder works. Near 100 % the model is the bottleneck.",
                "percentunit",
            ),
            Series(rate("earmark_inference_seconds_total", by="instance"), "{{instance}}"),
            limits=Limits(highest=1, warning=0.9),
        ),
        graph(
            Head("Backlog", "Estimated time to process all windows of the running requests.", "s"),
            Series(total("earmark_backlog_seconds", by="instance"), "{{instance}}"),
            limits=Limits(warning=10, critical=30),
        ),
        graph(
            Head("Decoders busy", "Share of the decoder processes that are decoding a clip.", "percentunit"),
            Series(
                f"{total('earmark_decoder_processes_busy', by='instance')} / "
                f"{total('earmark_decoder_processes', by='instance')}",
                "{{instance}}",
            ),
            limits=Limits(highest=1),
        ),
        graph(
            Head("Processor cores", "Cores that the service uses, without its decoders.", "none"),
            Series(rate("earmark_process_cpu_seconds_total", by="instance"), "{{instance}}"),
        ),
        graph(
            Head("Memory", "Resident memory of the service, without its decoders.", "bytes"),
            Series(total("earmark_process_resident_memory_bytes", by="instance"), "{{instance}}"),
        ),
        graph(
            Head("Open files", "Share of the file descriptors that the service may open.", "percentunit"),
            Series(
                f"{total('earmark_process_open_fds', by='instance')} / {total('earmark_process_max_fds', by='instance')}",
                "{{instance}}",
            ),
            limits=Limits(highest=1, warning=0.8),
        ),
    )


def _cache() -> tuple[Panel, ...]:
    clips, cached = rate("earmark_clips_total"), rate("earmark_clips_total", 'cached="true"')
    return (
        graph(
            Head("Clips found in the cache", "Share of the localized clips that needed no computation.", "percentunit"),
            Series(f"{cached} / {clips}", "cached"),
            limits=Limits(highest=1),
        ),
        graph(
            Head("Memory of the cache", "Embeddings in memory, and their limit (EARMARK_CACHE_BYTES).", "bytes"),
            Series(total("earmark_cache_bytes", by="instance"), "{{instance}}"),
            Series(f"max({selected('earmark_cache_limit_bytes')})", "limit"),
        ),
        graph(
            Head(
                "Evictions",
                "Embeddings that were evicted from memory. If clips are often asked for again, raise EARMARK_CACHE_BYTES.",
                "ops",
            ),
            Series(rate("earmark_cache_evictions_total", by="instance"), "{{instance}}"),
        ),
    )


def _gpu() -> tuple[Panel, ...]:
    return (
        graph(
            Head(
                "Graph nodes by provider",
                "Share of the audio encoder that runs on the GPU (CUDA) or the CPU.",
                "percentunit",
            ),
            Series(f"avg by (provider) ({selected('earmark_node_share')})", "{{provider}}"),
            limits=Limits(highest=1),
        ),
        graph(
            Head("GPU memory", "Memory in use by all processes, and its size.", "bytes"),
            Series(total("earmark_gpu_memory_used_bytes", by="instance, gpu"), "used: {{instance}} GPU {{gpu}}"),
            Series(f"max({selected('earmark_gpu_memory_total_bytes')})", "size"),
        ),
        graph(
            Head(
                "GPU utilization",
                "Share of the time in which the GPU computes, from the DCGM exporter. Low at a high backlog: raise "
                "EARMARK_BATCH_WINDOWS.",
                "percent",
            ),
            Series("avg by (gpu) (DCGM_FI_DEV_GPU_UTIL)", "GPU {{gpu}}"),
            limits=Limits(highest=100),
        ),
    )
