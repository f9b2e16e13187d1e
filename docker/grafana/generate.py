"""Writes the dashboards of Grafana, and the tables of docker/README.md that say what their rows answer.

Run `python docker/grafana/generate.py` after a change of a dashboard; a test compares the files with the code.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import debugging
import overview
from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models
from panels import DATA_SOURCE, Row

FOLDER = Path(__file__).parent / "dashboards"
README = Path(__file__).parents[1] / "README.md"
DASHBOARDS: Mapping[str, tuple[str, Sequence[Row]]] = {
    "overview": (overview.TITLE, overview.rows()),
    "debugging": (debugging.TITLE, debugging.rows()),
}
"""Title and rows of each dashboard, by the name of its file."""


def rendered(name: str) -> str:
    """The JSON of a dashboard, as Grafana provisions it."""
    title, rows = DASHBOARDS[name]
    board = (
        dashboard.Dashboard(title)
        .uid(f"earmark-{name}")
        .tags(["earmark"])
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .time("now-3h", "now")
        .refresh("30s")
        .timezone("browser")
        .with_variable(_instances())
        .link(
            dashboard.DashboardLink("Earmark")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags(["earmark"])
            .include_vars(True)
            .keep_time(True)
        )
    )
    for row in rows:
        board.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            board.with_panel(panel)
    built = board.build()
    for number, panel in enumerate(built.panels or [], start=1):
        panel.id_val = number
    return json.dumps(built, cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def readme_table(name: str) -> str:
    """The table in the README that says what each row of a dashboard answers."""
    title, rows = DASHBOARDS[name]
    lines = [f"| {title} | question that the row answers |", "|---|---|"]
    return "\n".join(lines + [f"| {row.title} | {row.answers} |" for row in rows]) + "\n"


def with_tables(readme: str) -> str:
    """A README with the current tables in place of those that it has."""
    for name in DASHBOARDS:
        table = readme_table(name)
        header = table.partition("\n")[0]
        before, separator, after = readme.partition(header)
        if not separator:
            raise ValueError(f"{README.name} has no line {header}")
        _, blank, rest = after.partition("\n\n")
        readme = f"{before}{table}{blank[1:]}{rest}"
    return readme


def _instances() -> dashboard.QueryVariable:
    """The variable with which a reader selects instances of the service; at first all."""
    return (
        dashboard.QueryVariable("instance")
        .label("Instance")
        .description("Instances of the service")
        .datasource(DATA_SOURCE)
        .query("label_values(earmark_ready, instance)")
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(models.VariableOption(selected=True, text="All", value="$__all"))
    )


def main() -> None:
    """Writes all files."""
    FOLDER.mkdir(exist_ok=True)
    for name in DASHBOARDS:
        (FOLDER / f"{name}.json").write_text(rendered(name), encoding="utf-8")
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
