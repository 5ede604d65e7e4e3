"""Torch is needed here: without it these tests are skipped, unless the environment demands it."""

from __future__ import annotations

import os

import pytest

if not os.environ.get("TORCHMODE_REQUIRE_TORCH"):
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
