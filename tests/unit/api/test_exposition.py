import httpx
import pytest
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from service.api.exposition import expose

pytestmark = pytest.mark.anyio
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Gauge("earmark_ready", "Ready.", registry=registry)
    return registry


@pytest.mark.parametrize(
    "accept",
    [
        PROMETHEUS,
        "application/openmetrics-text",
        "Application/OpenMetrics-Text; version=9",
        "text/plain;q=.5, application/openmetrics-text",
    ],
)
def test_openmetrics_is_written_for_a_scraper_that_prefers_it(registry: CollectorRegistry, accept: str) -> None:
    content, content_type = expose(registry, accept)
    assert content.endswith(b"# EOF\n")
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/plain;version=0.0.4",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;q=0.1, text/plain;q=0.2",
        "application/openmetrics-text;q=nan",
        "application/openmetrics-text;q=1e9",
        "application/openmetrics-text;q=-1",
        "application/openmetrics-text;q=²",
        "application/openmetrics-text;q=",
        "application/openmetrics-text2",
        ";;;,,q=1,\x00",
        "," * 50_000,
    ],
)
def test_the_text_format_is_written_for_every_other_scraper(registry: CollectorRegistry, accept: str) -> None:
    content, content_type = expose(registry, accept)
    assert b"# EOF" not in content
    assert content_type.startswith("text/plain; version=")


async def test_all_metrics_of_the_service_are_valid_openmetrics(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics", headers={"Accept": PROMETHEUS})
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert families["earmark_stage_seconds"].type == "histogram"
    assert all(family.documentation for family in families.values())
