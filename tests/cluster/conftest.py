"""Tests on real clusters of Ray; `make ray-check` runs them, and `make test` does not."""

import pytest

import tests.ray_cluster  # noqa: F401 - its settings have to be there before anything imports Ray


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "cluster" in item.path.parts:
            item.add_marker(
                pytest.mark.filterwarnings("default")
            )  # Ray warns of itself, and leaves processes to the end
