import httpx
import pytest

from service.engine.clip_id import model_id_of
from tests.unit.api.fake_engine import MANIFEST

pytestmark = pytest.mark.anyio


async def test_info_contains_the_model_the_defaults_and_the_limits(client: httpx.AsyncClient) -> None:
    info = (await client.get("/info")).json()
    assert info["version"] == "0"
    assert (info["provider"], info["node_shares"]) == ("FakeProvider", {"FakeProvider": 1.0})
    assert info["model"] == {
        "name": "fake",
        "version": "2",
        "id": model_id_of(MANIFEST),
        "licences": ["Apache-2.0"],
        "trained_on": ["nothing"],
        "sample_rate_hz": 16_000,
        "hop_s": 0.04,
        "window_s": 10.0,
        "overlap_s": 2.0,
        "dimension": 8,
        "presence": None,
    }
    assert info["defaults"] == {
        "threshold": 0.5,
        "threshold_off": 0.3,
        "median_filter_s": 0.2,
        "extent_ratio": 1.0,
        "min_duration_s": 0.1,
        "merge_gap_s": 0.1,
        "extent_scale": "score",
        "core_s": 0.0,
        "short_extent_ratio": 1.0,
        "curves": "score",
        "curve_format": "json",
    }
    assert info["limits"] == {
        "max_clip_s": 3600.0,
        "max_upload_bytes": 2048,
        "max_queries": 3,
        "max_query_chars": 40,
        "max_wait_s": 30,
        "max_requests": 1000,
        "request_timeout_s": 300.0,
    }
    assert info["library"] is False
    assert "FLAC" in info["accepted_audio"]
