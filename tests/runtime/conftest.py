"""The tests of the extra `[runtime]`: left out where it is not installed, unless the environment demands it."""

from __future__ import annotations

import importlib.util
import os

_EXTRA = ("torch", "sklearn", "matplotlib")
_ABSENT = [name for name in _EXTRA if importlib.util.find_spec(name) is None]
collect_ignore_glob = ["test_*.py"] if _ABSENT and not os.environ.get("TORCHMODE_REQUIRE_TORCH") else []
