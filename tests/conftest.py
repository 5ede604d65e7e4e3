"""What holds for all tests: torch on one thread, and skipped where it is not installed, unless it must be."""

from __future__ import annotations

import importlib.util
import os

import pytest


def pytest_configure() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch's threads cost these small programs more than they save
    if os.environ.get("TORCHMODE_REQUIRE_TORCH") and importlib.util.find_spec("torch") is None:
        raise pytest.UsageError("torch must be installed here (TORCHMODE_REQUIRE_TORCH is set)")


@pytest.fixture(autouse=True, scope="session")
def _results_of_the_tests_only(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing of a run of the tests is kept among the user's results, nor found there."""
    os.environ["TORCHMODE_LINT_CACHE_DIR"] = str(tmp_path_factory.mktemp("results"))
