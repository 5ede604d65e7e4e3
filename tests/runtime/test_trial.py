"""`torchmode-lint confirm SCRIPT` on programs that end in every way: what was seen until then is told."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from commands import EXAMPLES

HEAD = """\
import sys
import torch
import torch.nn.functional as F
from torch import nn

model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def step():
    loss = F.cross_entropy(model(torch.randn(8, 4)), torch.randint(0, 2, (8,)))
    loss.backward()
    optimizer.step()
"""
ENDLESS = 240.0  # seconds after which a test gives up waiting


def confirm(folder: Path, *words: str, given: str = "") -> tuple[dict[str, Any], subprocess.CompletedProcess[str]]:
    """The JSON table of a run, and the command's own end."""
    table = folder / "table.json"
    command = [sys.executable, "-m", "torchmode_lint", "confirm", "--output-format", "json"]
    command += ["--output-file", str(table), *words]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, input=given, timeout=ENDLESS, check=False
    )
    return json.loads(table.read_text()) if table.exists() else {}, done


def script(folder: Path, body: str) -> str:
    path = folder / "program.py"
    path.write_text(HEAD + textwrap.dedent(body))
    return str(path)


def rules(table: dict[str, Any]) -> set[tuple[str, str]]:
    return {(each["verdict"], each["code"]) for each in table["verdicts"]}


def test_a_bug_that_happens_is_confirmed(tmp_path: Path) -> None:
    table, done = confirm(tmp_path, str(EXAMPLES / "digits_wrong.py"))
    assert rules(table) == {("confirmed", "TML101")}
    assert done.returncode == 1
    assert "Executing" in done.stderr


def test_a_right_program_has_an_empty_table(tmp_path: Path) -> None:
    table, done = confirm(tmp_path, str(EXAMPLES / "trainer_right.py"))
    assert table["verdicts"] == []
    assert done.returncode == 0


def test_what_is_not_reached_and_what_does_not_happen_are_told_apart(tmp_path: Path) -> None:
    body = """
    if len(sys.argv) > 2:
        for _ in range(3):
            step()
    for i in range(int(sys.argv[1])):
        step()
    """
    table, _ = confirm(tmp_path, script(tmp_path, body), "1")
    assert {verdict for verdict, _ in rules(table)} <= {"not reached", "not observed"}
    assert table["program"]["ended"] == "finished"


@pytest.mark.parametrize(
    ("end", "ended", "code"),
    [
        ("raise ValueError('no data')", "failed: ValueError: no data", 1),
        ("sys.exit(3)", "exited with code 3", 3),
        ("sys.exit('bad call')", "exited with code 1", 1),
    ],
)
def test_an_end_of_its_own_is_told_with_what_was_seen(tmp_path: Path, end: str, ended: str, code: int) -> None:
    table, done = confirm(tmp_path, script(tmp_path, f"for _ in range(3):\n    step()\n{end}\n"))
    assert table["program"]["ended"] == ended
    assert table["program"]["exit_code"] == code
    assert ("confirmed", "TML301") in rules(table)
    assert "torchmode_lint" not in done.stderr  # the traceback is the program's own


def test_an_endless_program_is_ended_in_time(tmp_path: Path) -> None:
    table, _ = confirm(tmp_path, "--timeout", "25", script(tmp_path, "while True:\n    step()\n"))
    assert table["program"]["ended"] == "timed out"
    assert ("confirmed", "TML301") in rules(table)


def test_a_program_is_stopped_after_its_steps(tmp_path: Path) -> None:
    table, _ = confirm(tmp_path, "--steps", "5", script(tmp_path, "while True:\n    step()\n"))
    assert table["program"]["ended"] == "stopped after 5 steps"
    assert table["program"]["steps"] == 5


def test_workers_that_are_forked_are_left_alone(tmp_path: Path) -> None:
    body = """
    from torch.utils.data import DataLoader, TensorDataset
    data = DataLoader(TensorDataset(torch.randn(32, 4)), batch_size=8, num_workers=2)
    for (x,) in data:
        step()
    """
    table, _ = confirm(tmp_path, script(tmp_path, body))
    assert table["program"]["ended"] == "finished"
    assert table["program"]["steps"] == 4


def test_input_and_output_are_the_programs_own(tmp_path: Path) -> None:
    body = "print(input().upper(), sys.argv[1:], __name__)\n"
    table, done = confirm(tmp_path, script(tmp_path, body), "--lr", "-m", given="hello\n")
    assert done.stdout == "HELLO ['--lr', '-m'] __main__\n"
    assert table["verdicts"] == []


def test_a_module_is_run_by_its_name(tmp_path: Path) -> None:
    script(tmp_path, "for _ in range(3):\n    step()\n")
    table, _ = confirm(tmp_path, "-m", "program")
    assert ("confirmed", "TML301") in rules(table)


def test_a_number_without_a_graph_is_seen_in_the_error(tmp_path: Path) -> None:
    body = """
    loss = F.cross_entropy(model(torch.randn(8, 4)), torch.randint(0, 2, (8,)))
    loss.item().backward()
    """
    table, _ = confirm(tmp_path, script(tmp_path, body))
    assert ("confirmed", "TML202") in rules(table)


def test_a_script_that_is_not_there_is_a_wrong_call(tmp_path: Path) -> None:
    table, done = confirm(tmp_path, "absent.py")
    assert table == {} and done.returncode == 2 and "no such script" in done.stderr
