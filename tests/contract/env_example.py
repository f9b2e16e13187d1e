""".env.example, whose settings of Earmark come from the code. To rewrite them: python -m tests.contract.env_example"""

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from service.settings import Settings, secret_fields, variable
from tests.contract.readme_tables import described

ROOT = Path(__file__).parents[2]
ENV_EXAMPLE = ROOT / ".env.example"
COMPOSE = ROOT / "docker-compose.yml"
MARK = "# ---- Settings of Earmark."
WIDTH = 118
SET = {"open": ("1", "Here: everybody who can reach PUBLISH_ADDRESS or the proxy, unless EARMARK_KEYS_FILE is set.")}
"""Settings that differ from their default in .env, by field: the value, and why."""
IN_CONTAINER = {
    "bundle": "the packaged bundle",
    "log_format": "json",
    "library": "none; /library for the volume of docker-compose.yml",
    "device": "auto; with COMPOSE_PROFILES=gpu, cuda",
}
"""Defaults in the images that differ from those of the code, or are paths."""


def fixed_variables() -> set[str]:
    """Variables of Earmark that docker-compose.yml sets itself, without the suffix of files."""
    services = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    environments: list[dict[str, Any]] = [services[name]["environment"] for name in ("earmark", "earmark-gpu")]
    secrets = {f"{variable(name)}_FILE" for name in secret_fields()}
    names = {name for environment in environments for name in environment}
    return {name.removesuffix("_FILE") if name in secrets else name for name in names}


def lines() -> Iterator[str]:
    """The lines about the settings of Earmark."""
    fixed = fixed_variables()
    yield f"{MARK} python -m tests.contract.env_example rewrites all that follows from the code."
    yield from wrapped(f"docker-compose.yml sets {', '.join(sorted(fixed))}; do not set them here.")
    for name, field in Settings.model_fields.items():
        if variable(name) in fixed:
            continue
        value = IN_CONTAINER.get(name, shown(field.get_default()))
        text = described(field.description).replace("`", "")
        yield ""
        if name in SET:
            value, reason = SET[name]
            yield from wrapped(f"{text} {reason}")
            yield f"{variable(name)}={value}"
        elif name in IN_CONTAINER:
            yield from wrapped(f"{text} Default: {value}.")
            yield f"#{variable(name)}="
        else:
            yield from wrapped(text)
            yield f"#{variable(name)}={value}"


def shown(default: object) -> str:
    """A default as the value of a variable."""
    if isinstance(default, bool):
        return str(int(default))
    if default is None:
        return ""
    return f"{default:g}" if isinstance(default, float) else str(default)


def wrapped(text: str) -> Iterator[str]:
    """Text as lines of a comment."""
    for line in textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False):
        yield f"# {line}"


def rewritten(example: str) -> str:
    """The file with the settings of Earmark as the code has them."""
    before, mark, _ = example.partition(MARK)
    assert mark, f"no line {MARK}"
    return before + "\n".join(lines()) + "\n"


def main() -> None:
    ENV_EXAMPLE.write_text(rewritten(ENV_EXAMPLE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
