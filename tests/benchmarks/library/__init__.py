"""Measurements of libraries: recall, latency, memory, size and quality; see `python -m tests.benchmarks.library --help`."""
