"""The command, run as a process the way users run it."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from commands import BAD, FIXTURES, GOOD, SCRIPTS, check, run, torchmode
from torchmode_lint import __version__
from torchmode_lint.report import FORMATS
from torchmode_lint.rule import HEADINGS
from torchmode_lint.rules import ALL_RULES

TRAIL = """\
import torch
from torch import nn


def evaluate(net, loader):
    right = 0
    with torch.no_grad():
        for x, y in loader:
            right += (net(x).argmax(1) == y).sum()
    return right


net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.Linear(4, 2))
net.train()
print(evaluate(net, []))
"""


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    (tmp_path / "bad.py").write_text(BAD)
    return tmp_path


def test_the_installed_script_and_the_module_are_one_command() -> None:
    expected = f"torchmode-lint {__version__}\n"
    assert torchmode("--version").out == expected
    assert run(sys.executable, "-m", "torchmode_lint", "--version").out == expected


def test_the_version_is_printed_without_loading_the_analysis() -> None:
    code = (
        "import sys; from torchmode_lint.cli import main; main(['--version'], standalone_mode=False); "
        "sys.exit(any(name in sys.modules for name in ('libcst', 'pathspec', 'torchmode_lint.engine')))"
    )
    assert run(sys.executable, "-c", code).code == 0


def test_exit_codes(bad: Path) -> None:
    (bad / "good.py").write_text(GOOD)
    assert check("good.py", cwd=bad).code == 0
    assert check("bad.py", cwd=bad).code == 1
    assert check("bad.py", "missing.py", cwd=bad).code == 2
    assert torchmode("check").code == 2
    assert torchmode("check", "--confidence", "sure", "bad.py", cwd=bad).code == 2


def test_the_json_report_has_exactly_its_agreed_shape(bad: Path) -> None:
    ended = check("bad.py", "missing.py", cwd=bad)
    (finding,), (error,) = ended.document["findings"], ended.document["errors"]
    assert list(ended.document) == ["version", "findings", "errors", "stats"]
    assert ended.document["version"] == 1
    message = finding.pop("message")
    assert "eval" in message
    assert finding.pop("trail") == []
    assert list(finding.pop("fix")) == ["message", "applicability", "edits"]
    assert finding == {
        "code": "TML501",
        "rule": "no-effect-statement",
        "path": "bad.py",
        "cell": None,
        "line": 4,
        "column": 1,
        "end_line": 4,
        "end_column": 9,
        "severity": "error",
        "confidence": "certain",
    }
    assert list(error) == ["code", "message", "path", "cell", "line", "column"]
    stats = ended.document["stats"]
    assert list(stats) == ["files", "analysed", "skipped", "degraded", "seconds"]
    assert (stats["files"], stats["analysed"], stats["skipped"]) == (2, 1, 0)
    assert isinstance(stats["seconds"], float)


def test_the_trail_names_the_steps_that_lead_there(tmp_path: Path) -> None:
    (tmp_path / "trail.py").write_text(TRAIL)
    ended = check("trail.py", "--select", "missing-eval", cwd=tmp_path)
    (finding,) = ended.document["findings"]
    assert (finding["line"], finding["column"]) == (9, 23)
    steps = finding["trail"]
    assert all(
        set(step) == {"path", "cell", "line", "column", "message"} and step["path"] == "trail.py" for step in steps
    )
    assert [step["line"] for step in steps if step["line"] > 12] == [14, 15]


def test_text_shows_the_code_the_trail_and_the_page(tmp_path: Path) -> None:
    (tmp_path / "trail.py").write_text(TRAIL)
    out = torchmode("check", "--isolated", "--select", "TML101", "trail.py", cwd=tmp_path).out
    assert out.startswith("trail.py:9:23: TML101 missing-eval (error, ")
    assert "   9 |             right += (net(x).argmax(1) == y).sum()\n     |                       ^^^" in out
    assert "  14 | net.train()\n     | ^^^" in out
    assert "page: torchmode-lint rule TML101" in out
    assert out.endswith("1 diagnostic (1 file, 1 analysed); 1 can be fixed with --fix\n")


def test_concise_is_one_line_a_diagnostic(bad: Path) -> None:
    out = torchmode("check", "--isolated", "--output-format", "concise", "bad.py", "missing.py", cwd=bad).out
    first, second = out.splitlines()
    assert re.fullmatch(r"bad\.py:4:1: TML501 \S.*", first)
    assert re.fullmatch(r"missing\.py:1:1: TML9\d\d \S.*", second)


def test_the_formats_offered_are_the_formats_there_are() -> None:
    choices = torchmode("check", "--help").out
    assert f"[{'|'.join(FORMATS)}]" in choices


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("--select", "TML501"), True),
        (("--select", "tml5"), True),
        (("--select", "TML"), True),
        (("--select", "missing-eval,no-effect-statement"), True),
        (("--select", "TML101", "--select", "TML501"), True),
        (("--select", "TML1,TML2"), False),
        (("--ignore", "no-effect-statement"), False),
        (("--ignore", "TML5"), False),
        (("--select", "TML501", "--ignore", "TML"), False),
        (("--ignore", "TML1"), True),
    ],
)
def test_select_and_ignore(bad: Path, arguments: tuple[str, ...], found: bool) -> None:
    assert check(*arguments, "bad.py", cwd=bad).code == (1 if found else 0)


@pytest.mark.parametrize("option", ["--select", "--ignore"])
def test_an_unknown_rule_is_a_wrong_call_and_the_nearest_is_named(bad: Path, option: str) -> None:
    ended = torchmode("check", option, "TML501,mising-eval", "bad.py", cwd=bad)
    assert ended.code == 2
    assert "'mising-eval'" in ended.err and "'missing-eval'" in ended.err
    assert ended.out == ""


def test_confidence_is_a_floor() -> None:
    folder = FIXTURES / "missing_no_grad"
    levels = ("certain", "likely", "possible")
    findings = {level: check("--confidence", level, folder).document["findings"] for level in levels}
    for number, level in enumerate(levels):
        expected = [each for each in findings["possible"] if each["confidence"] in levels[: number + 1]]
        assert findings[level] == expected != []
    assert check(folder).document["findings"] == findings["likely"]


def test_noqa(tmp_path: Path) -> None:
    cases = {"": True, "  # noqa": False, "  # noqa: TML501": False, "  # noqa: E501": True, "  # NOQA:E1,TML5": False}
    for number, comment in enumerate(cases):
        (tmp_path / f"case{number}.py").write_text(BAD.rstrip() + comment + "\n")
    found = {path for path, *_ in check(".", cwd=tmp_path).places}
    assert found == {f"case{number}.py" for number, found in enumerate(cases.values()) if found}


def test_standard_input_stands_for_a_file(tmp_path: Path) -> None:
    ended = check("-", "--stdin-filename", "pkg/a.py", cwd=tmp_path, stdin=BAD.encode())
    assert ended.places == [("pkg/a.py", 4, 1, "TML501")]
    assert check("-", cwd=tmp_path, stdin=BAD.encode()).places == [("<stdin>", 4, 1, "TML501")]


def test_paths_are_relative_to_the_working_directory(bad: Path) -> None:
    (bad / "sub").mkdir()
    assert check(bad, cwd=bad).places == [("bad.py", 4, 1, "TML501")]
    assert check("..", cwd=bad / "sub").places == [("../bad.py", 4, 1, "TML501")]


def test_files_that_no_rule_can_speak_of_are_skipped(bad: Path) -> None:
    (bad / "plain.py").write_text("import os\n")
    stats = check(".", cwd=bad).document["stats"]
    assert (stats["files"], stats["analysed"], stats["skipped"]) == (2, 1, 1)


def on_terminal(*arguments: object, cwd: Path, **environment: str) -> str:
    """What the command writes to a terminal, which is its standard output and error."""
    ours, theirs = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "CI")}
    with subprocess.Popen(
        [str(SCRIPTS / "torchmode-lint"), *map(str, arguments)],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env={**clean, "TERM": "xterm", **environment},
    ):
        os.close(theirs)
        written = b""
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:  # how a terminal says that its other end is closed
                break
            if not data:
                break
            written += data
    os.close(ours)
    return written.decode()


def test_colour_is_for_terminals_that_want_it(bad: Path) -> None:
    assert "\x1b[31m" in on_terminal("check", "--isolated", "bad.py", cwd=bad)
    assert "\x1b[" not in on_terminal("check", "--isolated", "bad.py", cwd=bad, NO_COLOR="1")
    assert "\x1b[" not in torchmode("check", "--isolated", "bad.py", cwd=bad).out


def test_a_progress_bar_is_for_long_runs_on_terminals(bad: Path) -> None:
    assert "Checking" not in on_terminal("check", "--isolated", ".", cwd=bad)
    for number in range(60):
        (bad / f"plain{number}.py").write_text("import os\n")
    assert "Checking" in on_terminal("check", "--isolated", ".", cwd=bad)
    assert "Checking" not in torchmode("check", "--isolated", ".", cwd=bad).err


def test_what_a_checked_file_says_is_not_obeyed_by_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(BAD.replace("net.eval", "net.eval  # \x1b[2J\u202e\tafter"))
    out = torchmode("check", "--isolated", "bad.py", cwd=tmp_path).out
    assert "net.eval  # ·[2J·    after" in out


def test_carets_stand_under_wide_characters_and_tabs(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(BAD.replace("net.eval", 'if "漢字":\n\tnet.eval; "漢字"; net.train'))
    out = torchmode("check", "--isolated", "bad.py", cwd=tmp_path).out
    code, carets = out.splitlines()[-6:-4]
    width = sum(2 if char in "漢字" else 1 for char in code[: code.index("net.train")])
    assert carets.index("^") == width
    assert carets.count("^") == len("net.train")


def test_output_that_the_terminal_cannot_write_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(BAD.replace("net.eval", "net.eval  # 漢字"), encoding="utf-8")
    ended = torchmode("check", "--isolated", "bad.py", cwd=tmp_path, PYTHONIOENCODING="latin-1")
    assert ended.code == 1 and "# ??" in ended.out


@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: rule.name)
def test_a_rules_page_is_printed_by_code_and_by_name(rule: object) -> None:
    by_code, by_name = torchmode("rule", rule.code.lower()), torchmode("rule", rule.name)  # type: ignore[attr-defined]
    assert by_code == by_name and by_code.code == 0
    assert all(heading in by_code.out for heading in HEADINGS)


def test_rules_are_listed_and_unknown_ones_refused() -> None:
    listed = torchmode("rule", "--all").out.splitlines()
    rules = [[rule.code, rule.name] for rule in ALL_RULES]
    assert [line.split()[:2] for line in listed] == [*rules, ["TML901", "unused-suppression"]]
    ended = torchmode("rule", "no-effect-statment")
    assert ended.code == 2 and "'no-effect-statement'" in ended.err
    assert torchmode("rule").code == 2
    assert torchmode("rule", "TML101", "--all").code == 2
