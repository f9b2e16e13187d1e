"""The READMEs are true: their tables are complete, and the programs accept the commands in them."""

import argparse
import importlib
import importlib.util
import re
import runpy
import shlex
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path, PurePosixPath
from typing import Any

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.api.localize_form import LocalizeForm
from service.api.problems import all_problems
from service.api.schemas import LocalizeOut
from service.app import create_app
from service.core.frame_grid import FrameGrid
from service.core.manifest import (
    BUNDLE_FILES,
    FORMAT_VERSIONS,
    MANIFEST,
    OPTIONAL_FILES,
    PACKAGED_BUNDLE,
    Manifest,
    read_manifest,
)
from service.core.postprocessing import Postprocessing
from service.core.presence import PresenceRule
from service.engine.clip_embedding import ClipEmbedding
from service.settings import Settings, secret_fields, variable
from service.shutdown import Shutdown
from tests.compose_file import mounts, read_compose
from tests.contract.readme_tables import SERVICE_README, rewritten
from tests.manifests import make_manifest
from tests.unit.api.fake_engine import FakeEngine
from training.data.datasets import ADAPTERS
from training.data.pack import TABLE, read_pack_table
from training.evaluation.false_alarms import AlarmCounts
from training.evaluation.localizers import postprocessing_at
from training.evaluation.metrics import compute_figures
from training.evaluation.retrieval import retrieval
from training.evaluation.scored_queries import ScoredQueries, ScoredQuery, merged_events
from training.recipe import read_recipe

ROOT = Path(__file__).parents[2]
NAMES = (
    "README.md",
    "service/README.md",
    "service/client/README.md",
    "training/README.md",
    "model_export/README.md",
    "docker/README.md",
)
READMES = {name: (ROOT / name).read_text(encoding="utf-8") for name in NAMES}
MAIN = READMES["README.md"]
ALL = "\n".join(READMES.values())
RECORDS = ("training/EXPERIMENTS.md", "tests/benchmarks/RESULTS.md", "service/bundle/MODEL_CARD.md")
MAX_LINES = 90
OURS = ("service", "training", "model_export", "tests", "docker", ".ci")
PYTHONS = (".venv/bin/python", ".venv-dev/bin/python")
TORCHRUN = ".venv-dev/bin/torchrun"


def rows(header: str) -> list[list[str]]:
    """The cells of the only table with this header, without backquotes."""
    (after,) = (parts[1] for text in READMES.values() for parts in [text.split(f"{header}\n")] if len(parts) == 2)
    assert ALL.count(f"{header}\n") == 1
    lines = after.split("\n\n")[0].splitlines()[1:]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def blocks(language: str, text: str = ALL) -> list[str]:
    all_blocks = re.findall(r"^ *```(\w*)\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)  # also in lists
    return [content for block_language, content in all_blocks if block_language == language]


def commands() -> list[str]:
    joined = "".join(blocks("sh")).replace("\\\n", "")
    return list(dict.fromkeys(" ".join(line.split()) for line in joined.splitlines() if line))


def make_targets() -> list[str]:
    """Named anywhere in the READMEs."""
    return sorted(set(re.findall(r"(?:`|^)make ([a-z-]+)", ALL, re.MULTILINE)))


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
    return create_app(FakeEngine(), Settings(), version="0", shutdown=Shutdown())


def test_the_first_line_says_that_localization_is_temporal() -> None:
    assert "temporal" in MAIN.splitlines()[0]


def test_the_main_readme_is_short() -> None:
    assert len(MAIN.splitlines()) < MAX_LINES


@pytest.mark.parametrize("name", NAMES[1:])
def test_the_main_readme_links_to_the_others(name: str) -> None:
    assert f"]({name})" in MAIN


def test_the_tables_that_come_from_the_code_are_current() -> None:
    assert rewritten(READMES["service/README.md"]) == SERVICE_README.read_text(encoding="utf-8")


def test_every_setting_is_listed_with_its_default_and_meaning() -> None:
    listed = rows("| setting | default | meaning |")
    assert [row[0] for row in listed] == [variable(name) for name in Settings.model_fields]
    for (_, default, meaning), (name, field) in zip(listed, Settings.model_fields.items(), strict=True):
        value: object = ROOT / default if name == "bundle" else default
        assert getattr(Settings(**{name: value}), name) == field.default, name
        assert meaning == " ".join((field.description or "").replace("`", "").split())


def test_every_setting_that_is_named_exists() -> None:
    named = set(re.findall(r"EARMARK_[A-Z_]+", ALL))
    files = {f"{variable(name)}_FILE" for name in secret_fields()}
    assert named - {"EARMARK_"} <= {variable(name) for name in Settings.model_fields} | files


def test_every_first_setting_is_accepted() -> None:
    for _, assignment in rows("| to | set |"):
        name, _, value = assignment.partition("=")
        assert name in map(variable, Settings.model_fields)
        Settings(**{name.removeprefix("EARMARK_").lower(): value})


def test_every_route_is_listed(app: Any) -> None:
    routes = {f"{method.upper()} {path}" for path, of in app.openapi()["paths"].items() for method in of}
    assert {row[0] for row in rows("| route | answers |")} == routes | {"GET /", "GET /docs", "GET /openapi.json"}


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


def test_every_problem_type_is_listed_with_its_status_and_title() -> None:
    expected = [[name, str(problem.status), f"{problem.title}."] for name, problem in sorted(all_problems().items())]
    assert rows("| problem | status | meaning |") == expected


def metrics(exposition: str) -> Iterator[tuple[str, str, str, str]]:
    for family in text_string_to_metric_families(exposition):
        if not family.name.endswith("_created"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = [label for label in family.samples[0].labels if label != "le"]
            yield name, family.type, ", ".join(labels), family.documentation


def test_every_figure_of_an_evaluation_is_listed() -> None:
    once, grid = np.ones((1, 1)), FrameGrid(16_000, 640)
    curve, edges_s, heard = np.zeros(25, np.float32), grid.edges(25, 1.0), {0: merged_events([(0.2, 0.4)])}
    queries = ScoredQueries(("dog", "cat"), tuple(ScoredQuery(0, i, curve, edges_s, heard) for i in range(2)), 1)
    figures = compute_figures(queries, grid, once, [postprocessing_at(0.5, 0.0, 1.0)] * 2)
    retrieval_figures = retrieval(np.ones((1, 1)), np.ones((1, 1), dtype=bool), once)
    listed = [name.strip() for row in rows("| figure | meaning |") for name in row[0].split(",")]
    counts = AlarmCounts.empty(n_labels=2, n_clips=1)
    alarm_figures = {**counts.figures(once), **counts.figures_by_label(once)}
    assert sorted(listed) == sorted({*figures.overall, *figures.by_label, *alarm_figures, *retrieval_figures})


def test_every_data_set_is_listed() -> None:
    assert sorted(row[0] for row in rows("| data set | annotations |")) == sorted(ADAPTERS)


def test_every_field_of_the_manifest_is_listed() -> None:
    listed = [row[0] for row in rows("| manifest field | meaning |")]
    expected: list[str] = []
    for field in fields(Manifest):
        group = {"postprocessing": Postprocessing, "presence": PresenceRule}.get(field.name)
        expected += [field.name, *(f"{field.name}.{inner.name}" for inner in (fields(group) if group else ()))]
    assert listed == expected


def test_every_input_and_output_of_the_graphs_is_listed() -> None:
    tensors = {row[1].split(",")[0] for row in rows("| graph | tensor | type and shape | meaning |")}
    outputs = {
        f"output {name}" for version in FORMAT_VERSIONS for name in make_manifest(format_version=version).text_outputs
    }
    assert tensors == outputs | {"input waveform", "output frames", "input input_ids", "input attention_mask"}


def test_every_file_of_a_bundle_is_listed() -> None:
    assert sorted(row[0] for row in rows("| file | content |")) == sorted([*BUNDLE_FILES, *OPTIONAL_FILES, MANIFEST])


def test_every_field_of_the_form_is_listed_with_its_meaning() -> None:
    expected = [
        [name, " ".join((field.description or "").split()).replace("`", "")]
        for name, field in LocalizeForm.model_fields.items()
    ]
    assert rows("| field | meaning |") == expected


def test_every_member_of_the_answer_is_listed() -> None:
    listed = [name.strip() for row in rows("| member | meaning |") for name in row[0].split(",")]
    assert listed == list(members(LocalizeOut.model_json_schema()))


def members(schema: dict[str, Any], prefix: str = "", within: dict[str, Any] | None = None) -> Iterator[str]:
    """Dotted names of the schema's leaves; a list of objects is name[]."""
    for name, member in (within or schema)["properties"].items():
        kind = member.get("items", member)
        if "$ref" in kind:
            inner = schema["$defs"][kind["$ref"].rpartition("/")[2]]
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
    elif program == "docker":
        check_docker_command(arguments)
    elif program in ("git", "chmod"):
        assert arguments in (["pull"], ["644", "docker/keys/keys.toml"])
    elif program in ("sha256sum", "sh"):
        assert (ROOT / arguments[0]).is_file()
    elif program in (*PYTHONS, TORCHRUN):
        if program == TORCHRUN:
            assert re.fullmatch(r"--nproc-per-node [0-9]+", " ".join(arguments[:2]))
            arguments = arguments[2:]
        assert arguments[0] == "-m"
        if arguments[1].startswith("tests.contract."):
            assert importlib.util.find_spec(arguments[1])
            return
        understood = understand(arguments[1], arguments[2:], monkeypatch)
        if arguments[1] == "training.train":
            read_recipe(understood.recipe, understood.set)
    else:
        assert program == "curl"
        check_request(arguments, app)


def check_docker_command(arguments: list[str]) -> None:
    if arguments[0] == "compose":
        check_compose_command(arguments[1:])
        return
    if arguments[0] in ("inspect", "stop", "rm"):
        assert arguments[-1] == "earmark-next"
        return
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    build, run = commands.add_parser("build"), commands.add_parser("run")
    for option in ("--target", "--file", "--tag"):
        build.add_argument(option, required=True)
    build.add_argument("context")
    for flag in ("--rm", "--interactive", "--read-only"):
        run.add_argument(flag, action="store_true")
    for option in (
        "--publish",
        "--tmpfs",
        "--cap-drop",
        "--security-opt",
        "--stop-timeout",
        "--gpus",
        "--env",
        "--volume",
        "--user",
    ):
        run.add_argument(option)
    run.add_argument("image", choices=["earmark:cpu", "earmark:gpu"])
    run.add_argument("rest", nargs=argparse.REMAINDER)
    understood = parser.parse_args(arguments)
    if understood.command == "build":
        assert re.search(rf"^FROM \S+ AS {understood.target}$", (ROOT / understood.file).read_text(), re.MULTILINE)
    elif understood.env:
        assert understood.env.partition("=")[0] in map(variable, Settings.model_fields)


def check_compose_command(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    up, run, execute, kill = (commands.add_parser(name) for name in ("up", "run", "exec", "kill"))
    commands.add_parser("build")
    kill.add_argument("--signal", required=True, choices=["HUP"])
    for command, flags in (
        (up, ("--detach", "--wait", "--build", "--no-deps")),
        (run, ("--detach", "--no-deps", "--rm")),
    ):
        for flag in flags:
            command.add_argument(flag, action="store_true")
    run.add_argument("--name")
    run.add_argument("--env")
    execute.add_argument("--env", required=True)
    for command in (up, run, execute, kill):
        command.add_argument("service", nargs="?", choices=list(read_compose()["services"]))
    for command in (run, execute):
        command.add_argument("rest", nargs=argparse.REMAINDER)
    understood = parser.parse_args(arguments)
    if understood.command == "run" and understood.rest:
        targets = {mount.target for mount in mounts(read_compose(), understood.service)}
        command, *folders = understood.rest
        assert command == "index"
        assert all(any(PurePosixPath(folder).is_relative_to(target) for target in targets) for folder in folders)
    elif understood.command == "run":
        assert understood.name
        assert understood.env.partition("=")[0] in map(variable, Settings.model_fields)
    if understood.command == "exec":
        assert understood.env.partition("=")[0] in read_compose()["services"]["proxy"]["environment"]
        assert understood.rest[:2] == ["caddy", "reload"]
        assert understood.rest[2:] == read_compose()["services"]["proxy"]["command"][2:]


def check_request(arguments: list[str], app: Any) -> None:
    url = httpx.URL(arguments[-1])
    assert url.copy_with(path="/", query=None) == httpx.URL(f"http://{Settings().host}:{Settings().port}/")
    assert url.path in app.openapi()["paths"]
    fields = [arguments[place + 1].partition("=")[0] for place, word in enumerate(arguments) if word == "-F"]
    assert {*fields, *url.params} <= set(LocalizeForm.model_fields)


@pytest.mark.parametrize("target", make_targets())
def test_every_target_of_make_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def named_paths() -> list[str]:
    words = {word.strip("\"'`(),.:;").removeprefix("audio=@") for word in re.split(r"[\s\]()`]+", without_links(ALL))}
    made = {
        "docker/bundles",
        "docker/bundles/2",
        "docker/keys",
        "docker/recordings",
        "docker/keys/keys.toml",
        "docker/secrets",
        *(secret["file"][2:] for secret in read_compose()["secrets"].values()),
    }
    return sorted(word for word in words - made if word.startswith(tuple(f"{folder}/" for folder in OURS)))


def without_links(text: str) -> str:
    """Text without the targets of its links, which are relative to a README's folder."""
    return re.sub(r"\]\([^)]*\)", "]", text)


@pytest.mark.parametrize("path", named_paths())
def test_every_path_of_the_repository_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("name", [*NAMES, *RECORDS, "CHANGELOG.md"])
def test_every_link_leads_to_a_file(name: str) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / name).read_text(encoding="utf-8"))
    assert [target for target in targets if not re.match(r"https?://", target)] == [
        target for target in targets if ((ROOT / name).parent / target).exists()
    ]


@pytest.mark.parametrize("name", [*NAMES, *RECORDS])
def test_every_module_of_a_command_exists(name: str) -> None:
    modules = re.findall(r"python -m ([\w.]+)", (ROOT / name).read_text(encoding="utf-8"))
    assert [module for module in modules if importlib.util.find_spec(module) is None] == []
    for module in modules:
        importlib.import_module(module)  # an import that was renamed away raises


def test_the_size_of_an_embedding_is_that_of_the_default_model() -> None:
    manifest = read_manifest(PACKAGED_BUNDLE)
    frames_per_s = manifest.sample_rate_hz / manifest.hop_samples
    (kilobytes, frames, numbers) = re.findall(
        r"takes ([\d.]+) kB for each second of audio: (\d+) frames of (\d+) num", ALL
    )[0]
    assert (float(frames), int(numbers)) == (frames_per_s, manifest.dimension)
    embedding = ClipEmbedding(np.zeros((int(frames) * 60, int(numbers)), np.float16), 60.0)
    assert abs(embedding.n_bytes / 60_000 - float(kilobytes)) < 0.06


def trees() -> dict[str, list[str]]:
    """The trees of folders, by the README that has them, as lines."""
    first = tuple(f"{folder}/" for folder in OURS)
    return {
        name: block.splitlines()
        for name, text in READMES.items()
        for block in blocks("", text)
        if block.startswith(first)
    }


def folders(lines: list[str]) -> Iterator[Path]:
    """The folders of a tree, in which each is two spaces deeper than its parent."""
    parents: list[Path] = []
    for line in lines:
        depth = (len(line) - len(line.lstrip())) // 2
        parents = [*parents[:depth], (parents[depth - 1] if depth else ROOT) / line.split()[0]]
        yield parents[-1]


def test_the_scores_to_which_segments_reach_are_those_of_the_default_model() -> None:
    default = read_manifest(PACKAGED_BUNDLE).postprocessing
    odds = default.threshold / (1 - default.threshold)
    reached = [odds * ratio / (1 + odds * ratio) for ratio in (default.extent_ratio, default.short_extent_ratio)]
    named = re.findall(r"score\s(?:stays )?above (0\.\d+)\)", READMES["service/README.md"])
    assert named == [f"{score:.2f}" for score in reached]


def test_every_folder_of_the_house_exists() -> None:
    assert set(trees()) == {"service/README.md", "training/README.md"}
    for lines in trees().values():
        assert [folder for folder in folders(lines) if not folder.is_dir()] == []


def test_every_package_of_training_is_in_its_tree() -> None:
    packages = {file.parent for file in (ROOT / "training").rglob("__init__.py")}
    assert packages <= set(folders(trees()["training/README.md"]))


def test_the_table_of_recordings_is_one(tmp_path: Path) -> None:
    (table,) = blocks("csv")
    (tmp_path / TABLE).write_text(table)
    assert {recording.split for recording in read_pack_table(tmp_path)} == {"train", "val"}


def test_the_example_in_python_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    (example,) = blocks("python", READMES["model_export/README.md"])  # tests/end_to_end runs those of the client
    exec(compile(example, "example", "exec"), {})
    assert capsys.readouterr().out.startswith("a dog barks (Segment(onset_s=5.8, offset_s=7.4,")


def test_every_direct_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    locked_extras = set(extras) - {"gpu", "peers"}
    wanted = [*project["dependencies"], *(name for extra in locked_extras for name in extras[extra])]
    wanted = [name for name in wanted if not name.startswith("earmark[")]  # an extra of the project
    locked = {canonical(line.partition("==")[0]) for line in (ROOT / "requirements.lock").read_text().splitlines()}
    assert {canonical(re.split(r"[<>=\[]", name)[0]) for name in wanted} <= locked


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
