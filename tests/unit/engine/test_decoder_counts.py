from service.engine.decoder_counts import DecoderCounts, DecoderReport, NoDecoders


def test_a_report_has_idle_and_busy_processes_and_all_kinds_of_failures() -> None:
    counts = DecoderCounts()
    for _ in range(3):
        counts.add_start()
        counts.add_busy(1)
    counts.add_busy(-1)
    counts.add_failure("hung")
    failures = {"crashed": 0, "hung": 1, "killed": 0}
    assert counts.report(n_idle=1) == DecoderReport(n_processes=3, n_busy=2, n_starts=3, failures=failures)


def test_a_report_does_not_change_with_the_counters() -> None:
    counts = DecoderCounts()
    report = counts.report(n_idle=0)
    counts.add_failure("hung")
    assert report.failures["hung"] == 0


def test_without_decoders_everything_is_zero() -> None:
    assert NoDecoders().report() == DecoderReport(0, 0, 0, {"crashed": 0, "hung": 0, "killed": 0})
    assert NoDecoders().degraded() == []
