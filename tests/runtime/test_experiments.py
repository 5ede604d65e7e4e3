"""Every rule is confirmed on real models, and every fact holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from torchmode_lint.rules import ALL_RULES


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str, int]:
    folder: Path = tmp_path_factory.mktemp("confirm")
    command = [sys.executable, "-m", "torchmode_lint", "confirm", "--output-format", "json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    return json.loads(done.stdout), (folder / "report.html").read_text(), done.returncode


def test_every_rule_is_confirmed(run: tuple[dict[str, Any], str, int]) -> None:
    table, _, code = run
    assert [each["code"] for each in table["rules"]] == [rule.code for rule in ALL_RULES]
    assert [each["code"] for each in table["rules"] if not each["confirmed"]] == []
    assert code == 0


def test_every_fact_holds(run: tuple[dict[str, Any], str, int]) -> None:
    assert [fact["claim"] for fact in run[0]["facts"] if not fact["holds"]] == []


def test_the_report_has_the_programs_and_the_plots(run: tuple[dict[str, Any], str, int]) -> None:
    _, page, _ = run
    assert all(f"id='{rule.code}'" in page for rule in ALL_RULES)
    assert page.count("data:image/png;base64,") >= 10
    assert "<script" not in page
