"""README tables whose text comes from the code. To rewrite them, and .env.example: python -m tests.contract.readme_tables"""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import httpx
from prometheus_client.parser import text_string_to_metric_families

from service.api.localize_form import LocalizeForm
from service.api.problems import all_problems
from service.app import create_app
from service.core.query_warnings import QUERY_WARNINGS
from service.engine.clip_warnings import CLIP_WARNINGS
from service.engine.engine import Engine
from service.formats.registry import FORMATS
from service.settings import Settings, variable
from service.shutdown import Shutdown
from tests.unit.api.fake_engine import FakeEngine

ROOT = Path(__file__).parents[2]
SERVICE_README = ROOT / "service" / "README.md"
SETTINGS = "| setting | default | meaning |"
FIELDS = "| field | meaning |"
METRICS = "| metric | type | labels | meaning |"
PROBLEMS = "| problem | status | meaning |"
CLIP_WARNING_CODES = "| warning about a clip | meaning |"
QUERY_WARNING_CODES = "| warning about a query | meaning |"
FORMATS_TABLE = "| format | media type | answer |"
Row = tuple[str, ...]


def app() -> Any:
    return create_app(cast(Engine, FakeEngine()), Settings(), version="0", shutdown=Shutdown())


def described(text: str | None) -> str:
    """A docstring on one line."""
    return " ".join((text or "").split())


def setting_rows() -> Iterator[Row]:
    for name, field in Settings.model_fields.items():
        default = field.get_default()
        shown = "service/bundle" if name == "bundle" else getattr(default, "get_secret_value", lambda d=default: d)()
        number = f"{shown:g}" if isinstance(shown, float) else "" if shown is None else str(shown)
        yield f"`{variable(name)}`", f"`{number}`" if number else "", described(field.description)


def field_rows() -> Iterator[Row]:
    for name, field in LocalizeForm.model_fields.items():
        yield f"`{name}`", described(field.description)


def metric_rows() -> Iterator[Row]:
    for family in text_string_to_metric_families(asyncio.run(read_exposition())):
        if not family.name.endswith("_created"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = ", ".join(label for label in family.samples[0].labels if label != "le")
            yield f"`{name}`", family.type, labels, family.documentation


async def read_exposition() -> str:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app()), base_url="http://earmark") as client:
        return (await client.get("/metrics")).text


def problem_rows() -> Iterator[Row]:
    for name, problem in sorted(all_problems().items()):
        yield f"`{name}`", str(problem.status), f"{problem.title}."


def tables() -> Mapping[str, list[Row]]:
    """The rows of each table by its header."""
    return {
        FIELDS: list(field_rows()),
        PROBLEMS: list(problem_rows()),
        SETTINGS: list(setting_rows()),
        METRICS: list(metric_rows()),
        CLIP_WARNING_CODES: [(f"`{code}`", meaning) for code, meaning in CLIP_WARNINGS.items()],
        FORMATS_TABLE: [
            (
                f"`{each.name}`",
                f"`{each.content_type.removesuffix('; charset=utf-8')}`",
                f"{each.meaning[0].upper()}{each.meaning[1:]}.",
            )
            for each in FORMATS.values()
        ],
        QUERY_WARNING_CODES: [(f"`{code}`", meaning) for code, meaning in QUERY_WARNINGS.items()],
    }


def rewritten(readme: str) -> str:
    """The README with the rows of its tables as the code has them."""
    for header, rows in tables().items():
        before, separator, after = readme.partition(f"{header}\n")
        assert separator, f"no table {header}"
        delimiter, _, after = after.partition("\n")
        _, _, after = after.partition("\n\n") if after.startswith("|") else ("", "", after.removeprefix("\n"))
        lines = ["| " + " | ".join(row) + " |" for row in rows]
        readme = "\n".join([before + header, delimiter, *lines, "", after])
    return readme


def main() -> None:
    from tests.contract import env_example  # it imports this module

    env_example.main()
    SERVICE_README.write_text(rewritten(SERVICE_README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
