"""Tests of what live torch does are skipped where it is not installed, unless it must be."""

from __future__ import annotations

import importlib.util
import os

import pytest


def pytest_configure() -> None:
    if os.environ.get("TORCHMODE_REQUIRE_TORCH") and importlib.util.find_spec("torch") is None:
        raise pytest.UsageError("torch must be installed here (TORCHMODE_REQUIRE_TORCH is set)")
