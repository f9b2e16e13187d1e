"""What needs no cluster; tests/cluster serves on a real one."""

from types import SimpleNamespace

import pytest

from service.core.start_errors import SettingInvalid

pytestmark = pytest.mark.filterwarnings("default")  # Ray warns of itself when it is imported


@pytest.mark.parametrize(
    ("backlog_s", "n_replicas", "wanted"), [(0, 1, 0), (0, 4, 3), (3.9, 2, 2), (4.1, 2, 3), (100, 2, 50), (5, 8, 7)]
)
def test_replicas_grow_with_the_backlog_and_shrink_one_at_a_time(
    backlog_s: float, n_replicas: int, wanted: int
) -> None:
    from service.ray_app import wanted_replicas

    assert wanted_replicas(backlog_s, 2.0, n_replicas) == wanted


def test_the_policy_sums_the_backlogs_and_keeps_the_bounds() -> None:
    from service.ray_app import BACKLOG, BacklogPolicy

    def context(metrics: dict[str, dict[str, float]] | None, n_replicas: int = 2) -> SimpleNamespace:
        return SimpleNamespace(
            aggregated_metrics=metrics,
            target_num_replicas=n_replicas,
            capacity_adjusted_min_replicas=1,
            capacity_adjusted_max_replicas=5,
        )

    policy = BacklogPolicy(2.0)
    assert policy(context({BACKLOG: {"a": 3.0, "b": 4.0}})) == (4, {})
    assert policy(context({BACKLOG: {"a": 300.0}})) == (5, {})
    assert policy(context(None)) == (1, {})
    assert policy(context({}, 1)) == (1, {})


def test_arguments_are_settings_or_the_scale_and_others_are_refused() -> None:
    from service.ray_app import application

    assert application({"min_replicas": "2", "num_cpus": "0.5", "decoders": 1}) is not None
    for args, message in (
        ({"min": 1}, "min is 1; accepted: names of settings, min_replicas"),
        ({"min_replicas": "many"}, "min_replicas is 'many'; accepted: a number"),
        ({"decoders": 0}, "decoders is 0"),
    ):
        with pytest.raises(SettingInvalid, match=message):
            application(args)
