"""The command's JSON report on some paths of a folder."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def report_on(paths: Iterable[str], root: Path, timeout: float | None = None) -> dict[str, Any]:
    """Check `paths`, relative to `root`, as a project of its own. Raises ValueError where there is no report."""
    command = [sys.executable, "-m", "torchmode_lint", "check", *paths, "--project-root", ".", "--isolated"]
    command += ["--no-cache", "--jobs", "1"]
    ended = subprocess.run(
        [*command, "--output-format", "json"], cwd=root, capture_output=True, text=True, timeout=timeout, check=False
    )
    if ended.returncode not in (0, 1, 2) or not ended.stdout:
        raise ValueError(f"exit {ended.returncode}: {ended.stderr.strip()[-300:]}")
    report: dict[str, Any] = json.loads(ended.stdout)
    return report
