import math
from pathlib import Path

import pytest
from torch.utils.tensorboard import SummaryWriter

from tests.unit.training.synthesis.test_recaption import scenes
from training.claim.design import Condition, plan
from training.claim.driver import REPORTED, Comparison
from training.claim.report import Results, captioned_frames, interval, losses_table, report, shown, table
from training.data.map_batch import save_map_batch
from training.synthesis.map_cache import batch_file


def test_the_interval_is_that_of_students_t() -> None:
    mean, half = interval([1.0, 2.0, 3.0])
    assert mean == 2
    assert half == pytest.approx(4.303 / math.sqrt(3), abs=1e-3)  # the standard deviation is 1, and t(2) is 4.303
    assert math.isnan(interval([1.0])[1])


def test_differences_have_a_sign_and_one_value_has_no_interval() -> None:
    assert shown([0.25], "+") == "+0.250"
    assert shown([0.1, 0.1]) == "0.100 ± 0.000"


def test_a_table_is_markdown() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_only_seeds_that_all_variants_have_finished_are_compared(finished: Comparison) -> None:
    results = Results(finished)
    assert set(results.rates) == {"global", "both"}
    left, right = results.values(["both", "global"], Condition(1), "scenes", "partial_auroc")
    assert len(left) == len(right) == 1
    assert [len(v) for v in results.values(["both", "sigmoid"], Condition(1), "scenes", "partial_auroc")] == [0, 0]


def test_fewer_captioned_ambiences_leave_fewer_captioned_frames(tmp_path: Path) -> None:
    for number in range(12):
        save_map_batch(scenes(), batch_file(tmp_path, number))
    assert captioned_frames(tmp_path, 1.0) == pytest.approx((4 + 2) / 8)  # rain in all frames; a bark in two of four
    assert captioned_frames(tmp_path, 0.0) == pytest.approx(
        (2 + 2) / 8
    )  # without the rain, barks in two of four frames
    assert 4 / 8 < captioned_frames(tmp_path, 0.5) < 6 / 8


def test_the_losses_of_both_stages_are_shown_by_quarters(finished: Comparison) -> None:
    lines = losses_table(Results(finished), Condition(1)).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| global", "| both", "| both"]
    run = plan("global", Condition(1), Results(finished).rates)
    with SummaryWriter(str(finished.out / run.name)) as writer:
        for step, loss in enumerate((4.0, 2.0, 1.0, 0.5, 0.25)):
            writer.add_scalar("loss/clip_contrastive", loss, 20 * step)
    assert "| global | clip_contrastive | 3.00 | 1.00 | 0.50 | 0.25 |" in losses_table(Results(finished), Condition(1))


def test_the_report_has_the_finished_runs_and_leaves_out_the_others(finished: Comparison) -> None:
    parts: list[str] = []
    report(finished, [1.0, 0.0], [1.0, 2.0], parts.append)  # no run has a share of 0 or the length 2
    text = "\n".join(parts)
    assert all(name in text for name in REPORTED)
    assert "| both minus global | 1 | " in text
    assert "sigmoid" not in text
    assert "| 1 (" in text
    assert "| 0 (" not in text
    assert "| 2 | " not in text


def test_a_report_without_finished_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no finished runs; at least one variant has to be run first"):
        report(Comparison(tmp_path, tmp_path / "comparison"), [1.0], [1.0], print)
