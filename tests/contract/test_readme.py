"""What the README says is so: its tables are complete, and its commands are understood by what they call."""

import argparse
import re
import runpy
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.api.localize_form import LocalizeForm
from service.api.schemas import LocalizeOut
from service.app import create_app
from service.core.frame_grid import FrameGrid
from service.engine.engine import Engine
from service.settings import Settings, variable
from service.shutdown import Shutdown
from tests.unit.api.fake_engine import FakeEngine
from training.data.pack import TABLE, read_pack_table
from training.evaluation.localizers import postprocessing_at
from training.evaluation.metrics import compute_figures
from training.evaluation.retrieval import retrieval
from training.evaluation.scored_queries import ScoredQueries, ScoredQuery, merged_events
from training.recipe import read_recipe

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OURS = ("service", "training", "model_export", "tests", "docker", ".ci")
PYTHONS = (".venv/bin/python", ".venv-dev/bin/python")


def rows(header: str) -> list[list[str]]:
    """The cells of the table with this header, without backquotes."""
    _, _, after = README.partition(f"{header}\n")
    lines = after.split("\n\n")[0].splitlines()[1:]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return [text for of, text in found if of == language]


def commands() -> list[str]:
    joined = "".join(blocks("sh")).replace("\\\n", "")
    return [" ".join(line.split()) for line in joined.splitlines() if line]


def make_targets() -> list[str]:
    """Named anywhere in the README."""
    return sorted(set(re.findall(r"(?:`|^)make ([a-z]+)", README, re.MULTILINE)))


class Understood(Exception):  # noqa: N818 - no error: parsing went well
    """Carries what a command's arguments were understood as, in place of carrying it out."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments


def understand(module: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> argparse.Namespace:
    """Runs `python -m MODULE ARGUMENTS` up to where its arguments are parsed."""
    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(parser: argparse.ArgumentParser, *given: Any) -> None:
        raise Understood(parse(parser, *given))

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
        patch.setattr(sys, "argv", [module, *arguments])
        for name in (module, f"{module}.__main__"):  # what runs is imported anew
            patch.delitem(sys.modules, name, raising=False)
        with pytest.raises(Understood) as understood:
            runpy.run_module(module, run_name="__main__")
    return understood.value.arguments


@pytest.fixture
def app() -> Any:
    return create_app(cast(Engine, FakeEngine()), Settings(), version="0", shutdown=Shutdown())


def test_the_first_line_says_that_localization_is_temporal() -> None:
    assert "temporal" in README.splitlines()[0]


def test_every_setting_is_listed_with_its_default_and_meaning() -> None:
    listed = rows("| setting | default | meaning |")
    assert [row[0] for row in listed] == [variable(name) for name in Settings.model_fields]
    for (_, default, meaning), (name, field) in zip(listed, Settings.model_fields.items(), strict=True):
        value: object = ROOT / default if name == "bundle" else default
        assert getattr(Settings(**{name: value}), name) == field.default, name
        assert meaning == " ".join((field.description or "").replace("`", "").split())


def test_every_setting_that_is_named_exists() -> None:
    named = set(re.findall(r"EARMARK_[A-Z_]+", README))
    assert named <= {variable(name) for name in Settings.model_fields}


def test_every_route_is_listed(app: Any) -> None:
    routes = {f"{method.upper()} {path}" for path, of in app.openapi()["paths"].items() for method in of}
    assert {row[0] for row in rows("| route | answers |")} == routes | {"GET /docs", "GET /openapi.json"}


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/metrics"])
async def test_what_is_beside_the_api_is_there(app: Any, path: str, anyio_backend: str) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://earmark") as client:
        assert (await client.get(path)).status_code == 200


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_every_metric_is_listed_with_its_labels_and_meaning(app: Any, anyio_backend: str) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://earmark") as client:
        exposition = (await client.get("/metrics")).text
    assert {tuple(row) for row in rows("| metric | type | labels | meaning |")} == set(metrics(exposition))


def metrics(exposition: str) -> Iterator[tuple[str, str, str, str]]:
    for family in text_string_to_metric_families(exposition):
        if not family.name.endswith("_created"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = [label for label in family.samples[0].labels if label != "le"]
            yield name, family.type, ", ".join(labels), family.documentation


def test_every_figure_of_an_evaluation_is_listed() -> None:
    once, grid = np.ones((1, 1)), FrameGrid(16_000, 640)
    curve, edges_s, heard = np.zeros(25, np.float32), grid.edges(25, 1.0), {0: merged_events([(0.2, 0.4)])}
    asked = ScoredQueries(("dog", "cat"), tuple(ScoredQuery(0, label, curve, edges_s, heard) for label in range(2)), 1)
    figures = compute_figures(asked, grid, once, [postprocessing_at(0.5, 0.0, 1.0)] * 2)
    found = retrieval(np.ones((1, 1)), np.ones((1, 1), dtype=bool), once)
    listed = [name.strip() for row in rows("| figure | meaning |") for name in row[0].split(",")]
    assert sorted(listed) == sorted({*figures.overall, *figures.by_label, *found})


def test_every_field_of_the_form_is_listed_with_its_meaning() -> None:
    told = [[name, " ".join((field.description or "").split())] for name, field in LocalizeForm.model_fields.items()]
    assert rows("| field | meaning |") == [[name, meaning.replace("`", "")] for name, meaning in told]


def test_every_member_of_the_answer_is_listed() -> None:
    listed = [name.strip() for row in rows("| member | meaning |") for name in row[0].split(",")]
    assert listed == list(members(LocalizeOut.model_json_schema()))


def members(schema: dict[str, Any], prefix: str = "", within: dict[str, Any] | None = None) -> Iterator[str]:
    """Dotted names of the schema's leaves; a list of objects is name[]."""
    for name, member in (within or schema)["properties"].items():
        found = member.get("items", member)
        if "$ref" in found:
            inner = schema["$defs"][found["$ref"].rpartition("/")[2]]
            yield from members(schema, f"{prefix}{name}{'[]' if 'items' in member else ''}.", inner)
        else:
            yield f"{prefix}{name}"


@pytest.mark.parametrize("command", commands())
def test_every_command_is_understood(command: str, app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    words = shlex.split(command, comments=True)
    while re.fullmatch(r"[A-Z_]+=.*", words[0]):
        assert words.pop(0).partition("=")[0] in map(variable, Settings.model_fields)
    program, *arguments = words
    if program == "make":
        assert arguments[0] in make_targets()
    elif program == ".venv/bin/earmark":
        understand("service", arguments, monkeypatch)
    elif program in PYTHONS:
        assert arguments[0] == "-m"
        understood = understand(arguments[1], arguments[2:], monkeypatch)
        if arguments[1] == "training.train":
            read_recipe(understood.recipe, understood.set)
    else:
        assert program == "curl"
        check_request(arguments, app)


def check_request(arguments: list[str], app: Any) -> None:
    url = httpx.URL(arguments[-1])
    assert url.copy_with(path="/") == httpx.URL(f"http://{Settings().host}:{Settings().port}/")
    assert url.path in app.openapi()["paths"]
    fields = [arguments[place + 1].partition("=")[0] for place, word in enumerate(arguments) if word == "-F"]
    assert set(fields) <= set(LocalizeForm.model_fields)


@pytest.mark.parametrize("target", make_targets())
def test_every_target_of_make_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def named_paths() -> list[str]:
    words = {word.strip("\"'`(),.:;").removeprefix("audio=@") for word in re.split(r"[\s\]()`]+", README)}
    return sorted(word for word in words if word.startswith(tuple(f"{folder}/" for folder in OURS)))


@pytest.mark.parametrize("path", named_paths())
def test_every_path_of_the_repository_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_folder_of_the_house_exists() -> None:
    (house,) = (block for block in blocks("") if block.startswith("service/"))
    parent = ROOT
    for line in house.splitlines():
        folder = line.split()[0]
        parent = parent if line.startswith(" ") else ROOT / folder
        assert (parent / folder if line.startswith(" ") else parent).is_dir(), line


def test_the_table_of_recordings_is_one(tmp_path: Path) -> None:
    (table,) = blocks("csv")
    (tmp_path / TABLE).write_text(table)
    assert {recording.split for recording in read_pack_table(tmp_path)} == {"train", "val"}


def test_every_direct_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(name for extra in extras if extra != "gpu" for name in extras[extra])]
    locked = {canonical(line.partition("==")[0]) for line in (ROOT / "requirements.lock").read_text().splitlines()}
    assert {canonical(re.split(r"[<>=\[]", name)[0]) for name in wanted} <= locked


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
