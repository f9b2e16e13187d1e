"""The panels and queries of the committed dashboards."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docker" / "grafana" / "dashboards"
GPU_PANELS = {"GPU memory", "GPU utilization"}
"""The panels that have data only on a host with a GPU."""


@dataclass(frozen=True)
class PanelQuery:
    """A query of a panel.

    Attributes:
        dashboard: Name of the dashboard's file, without its ending.
        panel: Title of the panel.
        expression: The query, with the variables of Grafana.
        legend: Format of the names of the series.
    """

    dashboard: str
    panel: str
    expression: str
    legend: str

    def __str__(self) -> str:
        return f"{self.dashboard}, {self.panel}: {self.expression}"

    def resolved(self, rate_interval: str) -> str:
        """The query for all instances, with an interval in place of that which Grafana would choose."""
        resolved = self.expression.replace("$instance", ".*").replace("$__rate_interval", rate_interval)
        assert "$" not in resolved, f"a variable that the test does not know: {self}"
        return resolved

    @property
    def legend_labels(self) -> set[str]:
        """The labels that the legend shows."""
        return set(re.findall(r"{{\s*(\w+)\s*}}", self.legend))


def panel_queries() -> Iterator[PanelQuery]:
    """All queries of all dashboards."""
    for file in sorted(FOLDER.glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel.get("targets", []):
                yield PanelQuery(file.stem, panel["title"], target["expr"], target["legendFormat"])
