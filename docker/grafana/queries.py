"""PromQL expressions of the panels, all restricted to the instances that the reader of a dashboard selects."""

INSTANCES = 'instance=~"$instance"'
RATE_INTERVAL = "$__rate_interval"
"""Replaced by Grafana: long enough for a rate at the resolution of the panel and the scrape interval."""


def selected(metric: str, labels: str = "") -> str:
    """The series of a metric that have these labels, for example `route="/localize"`."""
    return f"{metric}{{{', '.join(part for part in (INSTANCES, labels) if part)}}}"


def total(metric: str, labels: str = "", by: str = "") -> str:
    """The sum of a gauge over the instances, by some labels."""
    return f"{_sum(by)}({selected(metric, labels)})"


def rate(metric: str, labels: str = "", by: str = "") -> str:
    """The increase of a counter per second, summed over the instances, by some labels."""
    return f"{_sum(by)}(rate({selected(metric, labels)}[{RATE_INTERVAL}]))"


def quantile(share: float, histogram: str, labels: str = "", by: str = "") -> str:
    """A quantile of a histogram over all instances, by some labels."""
    groups = ", ".join(part for part in ("le", by) if part)
    return f"histogram_quantile({share:g}, {rate(f'{histogram}_bucket', labels, groups)})"


def mean(histogram: str, labels: str = "", by: str = "") -> str:
    """The mean of a histogram over all instances, by some labels."""
    return f"{rate(f'{histogram}_sum', labels, by)} / {rate(f'{histogram}_count', labels, by)}"


def _sum(by: str) -> str:
    return f"sum by ({by}) " if by else "sum"
