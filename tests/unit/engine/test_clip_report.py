from service.engine.clip_report import ClipReport
from service.engine.clip_warnings import CLIP_WARNINGS, MAX_WARNINGS


def test_stretches_close_to_each_other_are_one_warning() -> None:
    report = ClipReport()
    report.lost(1.0, 1.1)
    report.lost(1.5, 1.6)
    report.lost(9.0, 9.5)
    first, second = report.warnings()
    assert (first.code, first.onset_s, first.offset_s) == ("sound-lost", 1.0, 1.6)
    assert (second.onset_s, second.offset_s) == (9.0, 9.5)
    assert "0.70 s of sound are lost in all" in first.message


def test_the_number_of_warnings_is_bounded_and_the_last_reaches_to_the_end() -> None:
    report = ClipReport()
    for number in range(1_000):
        report.lost(10.0 * number, 10.0 * number + 1)
        report.channels_cancelled(10.0 * number, 10.0 * number + 1)
        report.samples_clipped(10.0 * number, 10.0 * number + 1)
    for _ in range(1_000):
        report.truncated(1.0, 2.0)
        report.data_after_end(7)
    warnings = report.warnings()
    assert len(warnings) <= MAX_WARNINGS
    assert max(warning.offset_s or 0 for warning in warnings if warning.code == "sound-lost") == 9_991


def test_every_warning_has_a_documented_code() -> None:
    report = ClipReport()
    report.lost(0, 1)
    report.channels_cancelled(0, 1)
    report.samples_clipped(0, 1)
    report.scaled(2e4, 32_768)
    report.truncated(1, 2)
    report.truncated(1, None)
    report.data_after_end(300)
    report.data_after_end(3)
    assert {warning.code for warning in report.warnings()} <= set(CLIP_WARNINGS)


def test_a_warning_about_the_whole_clip_is_given_once_and_a_few_bytes_are_no_rest() -> None:
    report = ClipReport()
    report.data_after_end(15)
    assert report.warnings() == ()
    report.data_after_end(16)
    report.data_after_end(17)
    assert [warning.code for warning in report.warnings()] == ["data-after-end"]
