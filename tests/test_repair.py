"""The fix loop, and the command's options that use it."""

from __future__ import annotations

import io
import json
import random
import subprocess
import tokenize
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commands import BAD, EXAMPLES, FIXTURES, GOOD, SCRIPTS, check, torchmode
from torchmode_lint.config import Options
from torchmode_lint.diagnostic import Applicability, Edit, Fix, Span
from torchmode_lint.engine import on_deep_stack
from torchmode_lint.repair import Repair, repaired

HEADER = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5))

    def forward(self, x):
        return self.body(x)

"""
EVALUATION = (
    HEADER
    + """
def test(loader):
    net = Net()
    right = 0
    # the whole set
    with torch.no_grad():
        for x, y in loader:  # in batches
            right += (net(x).argmax(1) == y).sum().item()
    print(right)
"""
)
EVALUATED = EVALUATION.replace("    with torch.no_grad", "    net.eval()\n    with torch.no_grad")


def repair(text: str | bytes, name: str = "code.py", *, unsafe: bool = True) -> Repair:
    data = text.encode() if isinstance(text, str) else text
    return on_deep_stack(lambda: repaired(Path(name), data, Options(), unsafe=unsafe))


# --- the loop ----------------------------------------------------------------------------------------------


def test_what_is_fixed_is_gone_and_a_second_run_changes_nothing() -> None:
    once = repair(EVALUATION, unsafe=False)
    assert once.after.decode() == EVALUATED
    assert [one.code for one in once.fixed] == ["TML101"] and not once.refused
    assert repair(once.after).after == once.after


def test_unsafe_fixes_wait_until_they_are_asked_for() -> None:
    text = HEADER + "\n\ndef test(loader):\n    net = Net()\n    net.eval()\n    return [net(x) for x in loader]\n"
    careful, free = repair(text, unsafe=False), repair(text)
    assert careful.after == careful.before
    assert free.after.decode().endswith("    with torch.no_grad():\n        return [net(x) for x in loader]\n")


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_marks_and_the_last_line_stay(newline: str, mark: bytes, last: bool) -> None:
    def form(text: str) -> bytes:
        return mark + (text if last else text.rstrip("\n")).replace("\n", newline).encode()

    assert repair(form(EVALUATION)).after == form(EVALUATED)


def test_a_declared_encoding_stays() -> None:
    text = "# -*- coding: latin-1 -*-\nname = 'é'\n"
    result = repair((text + EVALUATION).encode("latin-1")).after
    assert result == (text + EVALUATED).encode("latin-1")


def test_tabs_stay_tabs() -> None:
    assert repair(EVALUATION.replace("    ", "\t")).after.decode() == EVALUATED.replace("    ", "\t")


def test_lines_of_a_string_that_moves_in_stay_where_they_are() -> None:
    text = (
        HEADER
        + '''
def test(loader):
    net = Net()
    net.eval()
    for x in loader:
        print(net(x).argmax(1), """
  two
lines""")
'''
    )
    result = repair(text).after.decode()
    assert (
        'with torch.no_grad():\n        for x in loader:\n            print(net(x).argmax(1), """\n  two\nlines""")'
        in result
    )


def test_an_import_is_added_where_the_name_is_missing() -> None:
    text = """\
\"\"\"What it is.\"\"\"

from __future__ import annotations

import os
from torch import nn


def test(loader):
    net = nn.Dropout()
    net.eval()
    for x in loader:
        print(net(x).argmax(1), os)
"""
    text = text.replace("nn.Dropout()", "nn.Sequential(nn.Linear(2, 2), nn.Dropout())")
    result = repair(text).after.decode()
    assert "import os\nimport torch\nfrom torch import nn\n" in result
    assert "    with torch.no_grad():\n        for x in loader:" in result


def test_one_call_settles_all_that_comes_after_it() -> None:
    text = HEADER + "\n\nnet = Net()\nwith torch.no_grad():\n    print(net(1).argmax())\n    print(net(2).argmax())\n"
    assert repair(text).after.decode() == text.replace("with torch", "net.eval()\nwith torch")


def test_a_call_of_train_that_serves_no_training_becomes_one_of_eval() -> None:
    text = HEADER + "\n\nnet = Net()\nnet.train()\nwith torch.no_grad():\n    print(net(1).argmax())\n"
    assert repair(text).after.decode() == text.replace("net.train()", "net.eval()")


def test_a_fix_that_breaks_the_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> Fix:
        return Fix("break it", Applicability.SAFE, (Edit(Span("code.py", 1, 1, 1, 1), "import (\n"),))

    monkeypatch.setattr("torchmode_lint.fixes.modes.put_into_eval", broken)
    result = repair(EVALUATION)
    assert result.after == result.before and not result.fixed
    assert [(one.diagnostic.code, "syntax error" in one.reason) for one in result.refused] == [("TML101", True)]


def test_a_fix_that_raises_another_diagnostic_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    line = next(i for i, text in enumerate(EVALUATION.split("\n"), 1) if "right = 0" in text)

    def worse(*_: object, **__: object) -> Fix:
        edits = (Edit(Span("code.py", line, 1, line, 1), "    net.eval()\n    net.train\n"),)
        return Fix("make it worse", Applicability.SAFE, edits)

    monkeypatch.setattr("torchmode_lint.fixes.modes.put_into_eval", worse)
    result = repair(EVALUATION)
    assert result.after == result.before
    assert [one.reason for one in result.refused] == ["it would raise TML501 at `net.train`"]


def test_a_fix_that_changes_nothing_is_refused_and_the_others_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def idle(*_: object, **__: object) -> Fix:
        return Fix("do nothing", Applicability.SAFE, (Edit(Span("code.py", 1, 1, 1, 1), "# nothing\n"),))

    monkeypatch.setattr("torchmode_lint.fixes.modes.put_into_eval", idle)
    result = repair(EVALUATION + "\n\nnet = Net()\nnet.eval\n")
    assert [one.code for one in result.fixed] == ["TML501"]
    assert [one.reason for one in result.refused] == ["TML101 would still be there"]


# --- the command -------------------------------------------------------------------------------------------


def test_fix_writes_and_reports_what_is_left(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(BAD)
    (tmp_path / "b.py").write_text(EVALUATION)
    done = torchmode("check", ".", "--isolated", "--fix", "--output-format", "concise", cwd=tmp_path)
    assert (done.code, done.err) == (0, "2 fixed in 2 files\n")
    assert (tmp_path / "a.py").read_text() == GOOD
    assert (tmp_path / "b.py").read_text() == EVALUATED


@pytest.mark.parametrize("option", ["--diff", "--fix-only"])
def test_a_file_that_cannot_be_checked_is_named_where_there_is_no_report(tmp_path: Path, option: str) -> None:
    (tmp_path / "broken.py").write_text("import torch\ntorch.no_grad(\n")
    done = torchmode("check", ".", "--isolated", option, cwd=tmp_path)
    assert done.code == 2
    assert done.err.startswith("broken.py:2:") and "TML9" in done.err


def test_diff_prints_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(BAD)
    done = torchmode("check", ".", "--isolated", "--diff", cwd=tmp_path)
    assert done.code == 1
    assert done.out.split("\n")[:2] == ["--- a/a.py", "+++ b/a.py"] and "-net.eval\n+net.eval()\n" in done.out
    assert (tmp_path / "a.py").read_text() == BAD
    patched = subprocess.run(["patch", "-p1"], input=done.out, cwd=tmp_path, text=True, capture_output=True, check=True)
    assert "a.py" in patched.stdout and (tmp_path / "a.py").read_text() == GOOD
    assert torchmode("check", ".", "--isolated", "--diff", cwd=tmp_path).code == 0


def test_fix_only_says_nothing_of_what_is_left(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(BAD + "(net(torch.ones(2)) > 0).sum().backward()\n")
    done = torchmode("check", ".", "--isolated", "--fix-only", cwd=tmp_path)
    assert (done.code, done.out, done.err) == (0, "", "1 fixed in 1 file\n")


def test_standard_input_comes_out_fixed() -> None:
    done = torchmode("check", "-", "--isolated", "--fix", stdin=BAD.encode())
    assert (done.code, done.out) == (0, GOOD)
    assert done.err.startswith("Nothing to report")


def test_a_file_that_may_not_be_written_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchmode_lint import cli

    path = tmp_path / "a.py"
    path.write_text(BAD)
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(SystemExit) as ended:
        cli.main(["check", str(path), "--isolated", "--fix", "--no-cache"], standalone_mode=False)
    assert ended.value.code == 1 and path.read_text() == BAD


def test_the_json_report_carries_the_edits(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(BAD)
    (found,) = check("a.py", cwd=tmp_path).document["findings"]
    assert found["fix"]["applicability"] == "safe"
    (edit,) = found["fix"]["edits"]
    place = {"path": "a.py", "cell": None, "line": 4, "column": 9, "end_line": 4, "end_column": 9}
    assert edit == place | {"text": "()"}


def test_a_notebook_is_fixed_in_its_cells(tmp_path: Path) -> None:
    lines = EVALUATION.splitlines(keepends=True)
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Test"]},
        {
            "cell_type": "code",
            "metadata": {},
            "outputs": [{"data": [1, 2]}],
            "source": ["%matplotlib inline\n", *lines],
        },
    ]
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"cells": cells, "nbformat": 4}, indent=1))
    done = torchmode("check", path, "--isolated", "--fix", "--output-format", "concise")
    assert (done.code, done.err) == (0, "1 fixed in 1 file\n")
    after = json.loads(path.read_text())
    assert "".join(after["cells"][1]["source"]) == f"%matplotlib inline\n{EVALUATED}"
    after["cells"][1]["source"] = cells[1]["source"]
    assert after["cells"] == cells


def test_a_run_that_is_killed_leaves_each_file_old_or_new(tmp_path: Path) -> None:
    paths = [tmp_path / f"file{i}.py" for i in range(12)]
    states = set()
    for patience in (1.0, 1.4, 1.8, 2.4):
        for path in paths:
            path.write_text(BAD)
        command = [str(SCRIPTS / "torchmode-lint"), "check", ".", "--isolated", "--fix", "--no-cache", "-j", "1"]
        running = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            running.wait(patience)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        states |= {path.read_text() for path in paths}
    assert states <= {BAD, GOOD}
    assert GOOD in states or running.returncode != 0


# --- whatever is fixed -------------------------------------------------------------------------------------

FILES = sorted([*FIXTURES.glob("*/bad.py"), *FIXTURES.glob("*/good.py"), *EXAMPLES.glob("*.py")])
DROPPED = (
    ".eval()",
    ".train()",
    ".zero_grad()",
    ".detach()",
    ".item()",
    "torch.no_grad()",
    "()",
    ", training=self.training",
)


def comments(text: str) -> Counter[str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return Counter(token.string for token in tokens if token.type == tokenize.COMMENT)


def mutated(text: str, seed: int) -> str:
    """A shape of a file with some of its words dropped, comments put at the ends of lines, and blocks cut out."""
    chance = random.Random(seed)
    blocks = text.split("\n\n\n")
    kept = blocks[:3] + chance.sample(blocks[3:], min(2, len(blocks) - 3)) if len(blocks) > 3 else blocks
    lines = "\n\n\n".join(kept).split("\n")
    for i, line in enumerate(lines):
        for word in DROPPED:
            if word in line and chance.random() < 0.2:
                line = line.replace(word, "None" if word == "torch.no_grad()" else "", 1)
        if line.endswith((")", ":")) and chance.random() < 0.1:
            line += f"  # note {i}"
        lines[i] = line
    return "\n".join(lines) + "\n"


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from(FILES), seed=st.integers(0, 10**6))
def test_fixing_loses_no_comment_and_leaves_a_file_that_parses(path: Path, seed: int) -> None:
    text = mutated(path.read_text(), seed)
    if parses(text):
        assert_careful(text)


def parses(text: str) -> bool:
    try:
        compile(text, "code.py", "exec")
    except SyntaxError:
        return False
    return True


def assert_careful(text: str) -> Repair:
    """That fixing a file loses no comment and no line that no fix names, and leaves nothing more to fix."""
    result = repair(text)
    after = result.after.decode()
    assert parses(after)
    assert comments(after) == comments(text)
    gone = Counter(line.strip() for line in text.split("\n")) - Counter(line.strip() for line in after.split("\n"))
    edited = [edit for one in result.fixed if one.fix is not None for edit in one.fix.edits if not _inserts_lines(edit)]
    assert sum(gone.values()) <= sum(edit.span.end_line - edit.span.line + 1 for edit in edited)
    assert repair(after).after == result.after
    return result


def _inserts_lines(edit: Edit) -> bool:
    at = edit.span
    empty = (at.line, at.column) == (at.end_line, at.end_column)
    return empty and (at.column == 1 or edit.text.startswith("\n"))
