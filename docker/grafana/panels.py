"""The kinds of panels, built with the types of Grafana's foundation SDK."""

from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, dashboard, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATA_SOURCE = models.DataSourceRef(type_val="prometheus", uid="prometheus")
"""The data source that `docker/grafana` provisions."""
COLUMNS = 24
"""Width of a dashboard."""
_HEIGHT = 8
_GREEN, _ORANGE, _RED = "green", "orange", "red"

Panel = Builder[models.Panel]


@dataclass(frozen=True, slots=True)
class Series:
    """A query of a panel.

    Attributes:
        expression: The query, in PromQL.
        legend: Name of its series, for example "{{route}}".
        exemplars: Whether traces of single requests are shown with the series.
    """

    expression: str
    legend: str
    exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a dashboard.

    Attributes:
        title: Its subject.
        answers: The question that the row answers, for the README.
        panels: Its panels.
    """

    title: str
    answers: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Head:
    """What every panel has.

    Attributes:
        title: Its title.
        description: What it shows, and what to conclude from it.
        unit: Unit of the values, as Grafana names it.
        width: Its width, of 24 columns.
    """

    title: str
    description: str
    unit: str
    width: int = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """The scale of a graph.

    Attributes:
        highest: Upper end of the axis; None to fit the values.
        warning: Value above which the graph is orange; None for none.
        critical: Value above which the graph is red; None for none.
    """

    highest: float | None = None
    warning: float | None = None
    critical: float | None = None


def graph(head: Head, *series: Series, stacked: bool = False, limits: Limits | None = None) -> Panel:
    """A graph over time, with the values of the pointed time in a tooltip."""
    limits = limits or Limits()
    panel = (
        timeseries.Panel()
        .title(head.title)
        .description(head.description)
        .unit(head.unit)
        .datasource(DATA_SOURCE)
        .height(_HEIGHT)
        .span(head.width)
        .min(0)
        .fill_opacity(20 if stacked else 8)
        .show_points(common_models.VisibilityMode.AUTO)
        .legend(
            common.VizLegendOptions()
            .display_mode(common_models.LegendDisplayMode.LIST)
            .placement(common_models.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_models.TooltipDisplayMode.MULTI)
            .sort(common_models.SortOrder.DESCENDING)
        )
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL))
    if limits.highest is not None:
        panel.max(limits.highest)
    if limits.warning is not None or limits.critical is not None:
        panel.thresholds(_thresholds(limits.warning, limits.critical))
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(common_models.GraphTresholdsStyleMode.DASHED))
    for number, item in enumerate(series):
        panel.with_target(_query(item, number))
    return panel


def number(head: Head, series: Series, limits: Limits | None = None, decimals: int | None = None) -> Panel:
    """The latest value of a series as a large number, on a coloured ground."""
    limits = limits or Limits()
    panel = (
        stat.Panel()
        .title(head.title)
        .description(head.description)
        .unit(head.unit)
        .datasource(DATA_SOURCE)
        .height(4)
        .span(head.width)
        .thresholds(_thresholds(limits.warning, limits.critical))
        .color_mode(common_models.BigValueColorMode.VALUE)
        .graph_mode(common_models.BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(_query(series, 0))
    )
    return panel if decimals is None else panel.decimals(decimals)


def heat_map(head: Head, buckets: str) -> Panel:
    """The distribution of a histogram over time; `buckets` is the rate of its buckets by `le`."""
    return (
        heatmap.Panel()
        .title(head.title)
        .description(head.description)
        .unit("reqps")
        .datasource(DATA_SOURCE)
        .height(_HEIGHT)
        .span(head.width)
        .calculate(False)
        .y_axis(heatmap.YAxisConfig().unit(head.unit))
        .color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(64))
        .with_target(_query(Series(buckets, "{{le}}", exemplars=True), 0).format(PromQueryFormat.HEATMAP))
    )


def listing(head: Head, series: Series) -> Panel:
    """The labels of the latest series, one series a line."""
    return (
        table.Panel()
        .title(head.title)
        .description(head.description)
        .unit(head.unit)
        .datasource(DATA_SOURCE)
        .height(_HEIGHT)
        .span(head.width)
        .with_target(_query(series, 0).instant().format(PromQueryFormat.TABLE))
    )


def _query(series: Series, number: int) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .expr(series.expression)
        .legend_format(series.legend)
        .ref_id(chr(ord("A") + number))
        .exemplar(series.exemplars)
        .range()
        .datasource(DATA_SOURCE)
    )


def _thresholds(warning: float | None, critical: float | None) -> dashboard.ThresholdsConfig:
    steps = [models.Threshold(value=None, color=_GREEN)]
    steps += [
        models.Threshold(value=value, color=color)
        for value, color in ((warning, _ORANGE), (critical, _RED))
        if value is not None
    ]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)
