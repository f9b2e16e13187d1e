"""The answer of GET /info, built once from the bundle, the settings and the engine."""

from dataclasses import asdict

from service.api.localize_form import DEFAULT_CURVE_FORMAT, DEFAULT_CURVES
from service.api.schemas import DefaultsOut, InfoOut, LimitsOut, ModelInfoOut, PresenceOut
from service.engine.clip_id import model_id_of
from service.engine.containers import ACCEPTED
from service.engine.interface import LocalizationEngine
from service.settings import Settings


def describe(engine: LocalizationEngine, settings: Settings, version: str, *, has_library: bool) -> InfoOut:
    """Builds the answer of GET /info.

    Args:
        engine: The engine, which knows the model and its execution provider.
        settings: The settings, which hold the limits.
        version: Version of the service.
        has_library: Whether the service has a library.
    """
    manifest, grid = engine.manifest, engine.manifest.grid
    return InfoOut(
        version=version,
        model=ModelInfoOut(
            name=manifest.name,
            version=manifest.version,
            id=model_id_of(manifest),
            licences=list(manifest.licences),
            trained_on=list(manifest.trained_on),
            sample_rate_hz=manifest.sample_rate_hz,
            hop_s=grid.hop_s,
            window_s=grid.duration_s(grid.n_samples(manifest.window_frames)),
            overlap_s=grid.duration_s(grid.n_samples(manifest.overlap_frames)),
            dimension=manifest.dimension,
            presence=PresenceOut(**asdict(manifest.presence)) if manifest.presence else None,
        ),
        provider=engine.provider,
        node_shares=dict(engine.node_shares),
        accepted_audio=ACCEPTED,
        defaults=DefaultsOut(
            **asdict(manifest.postprocessing), curves=DEFAULT_CURVES, curve_format=DEFAULT_CURVE_FORMAT
        ),
        limits=LimitsOut(
            max_clip_s=settings.max_clip_s,
            max_upload_bytes=settings.max_upload_bytes,
            max_queries=settings.max_queries,
            max_query_chars=settings.max_query_chars,
            max_wait_s=settings.max_wait_s,
            max_requests=settings.max_requests,
            request_timeout_s=settings.request_timeout_s,
        ),
        library=has_library,
    )
