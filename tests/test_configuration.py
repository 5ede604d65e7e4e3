"""Configuration files, as the command and flake8 read them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from commands import BAD, ROOT, SCRIPTS, Ended, run, torchmode
from torchmode_lint.configuration import OPTIONS

PROGRAM = """\
import torch
from mylib import build, evaluating, no_tracking, clear


def evaluate(data):
    net = build()
    with torch.no_grad():
        for x in data:
            print(net(x).argmax(1))
"""


def checked(*arguments: object, cwd: Path) -> Ended:
    return torchmode("check", "--no-cache", "--output-format", "json", *arguments, cwd=cwd)


def codes(*arguments: object, cwd: Path) -> list[tuple[str, str]]:
    ended = checked(*arguments, cwd=cwd)
    assert ended.code in (0, 1), ended.err
    return [(each["path"], each["code"]) for each in ended.document["findings"]]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "top.py").write_text(BAD)
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "deep.py").write_text(BAD)
    return tmp_path


def test_the_nearest_file_wins_alone(tree: Path) -> None:
    (tree / "pyproject.toml").write_text('[tool.torchmode-lint]\nignore = ["TML5"]\n')
    assert codes(".", cwd=tree) == []
    (tree / "inner" / "torchmode-lint.toml").write_text('select = ["no-effect-statement"]\n')
    assert codes(".", cwd=tree) == [("inner/deep.py", "TML501")]
    assert len(codes("--isolated", ".", cwd=tree)) == 2
    assert codes("--ignore", "TML501", ".", cwd=tree) == []  # the call wins


def test_of_two_files_in_a_folder_ours_wins_and_a_file_that_does_not_speak_of_us_is_none(tree: Path) -> None:
    (tree / "pyproject.toml").write_text('[tool.torchmode-lint]\nignore = ["TML5"]\n')
    (tree / "torchmode-lint.toml").write_text("")
    assert len(codes(".", cwd=tree)) == 2
    (tree / "torchmode-lint.toml").unlink()
    (tree / "inner" / "pyproject.toml").write_text('[project]\ndependencies = ["torchmode-lint"]\n')
    assert codes(".", cwd=tree) == []


def test_extend(tree: Path) -> None:
    (tree / "base.toml").write_text(
        'select = ["TML1"]\nextend-select = ["TML3"]\nextend-exclude = ["top.py"]\nconfidence = "certain"\n'
    )
    (tree / "pyproject.toml").write_text('[tool.torchmode-lint]\nextend = "base.toml"\nextend-select = ["TML5"]\n')
    assert codes(".", cwd=tree) == [("inner/deep.py", "TML501")]
    shown = torchmode("check", "--show-settings", "inner/deep.py", cwd=tree).out.splitlines()
    assert 'confidence = "certain"  # base.toml:4' in shown
    assert 'extend-select = ["TML3"] + ["TML5"]  # base.toml:2, pyproject.toml:3' in shown
    assert 'fail-on = "any"  # default' in shown
    (tree / "base.toml").write_text('extend = "pyproject.toml"\n')
    assert "extends itself" in checked(".", cwd=tree).err
    (tree / "base.toml").unlink()
    ended = checked(".", cwd=tree)
    assert ended.code == 2
    assert "pyproject.toml:2: extend: no such file: base.toml" in ended.err


def test_per_file_ignores_and_exclude_are_relative_to_their_file(tree: Path) -> None:
    (tree / "torchmode-lint.toml").write_text('per-file-ignores = { "inner/**" = ["TML5"] }\n')
    assert codes(tree, cwd=tree.parent) == [(f"{tree.name}/top.py", "TML501")]
    (tree / "torchmode-lint.toml").write_text('exclude = ["/inner"]\n')
    (tree / "build").mkdir()
    (tree / "build" / "made.py").write_text(BAD)
    assert codes(tree, cwd=tree.parent) == [(f"{tree.name}/{name}", "TML501") for name in ("build/made.py", "top.py")]
    assert codes("--extend-exclude", "top.py", ".", cwd=tree) == [("build/made.py", "TML501")]
    assert codes("inner/deep.py", cwd=tree) == [("inner/deep.py", "TML501")]  # it is named
    assert codes("--force-exclude", "inner/deep.py", cwd=tree) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('\n[tool.torchmode-lint]\nselct = ["TML1"]\n', ":3: unknown option 'selct' (did you mean 'select'?)"),
        (
            '[tool.torchmode-lint]\nselect = [\n  "TML1",\n  "TML9O1",\n]\n',
            ":4: select: unknown rule 'TML9O1' (did you",
        ),
        ("[tool.torchmode-lint]\nselect = 1\n", ":2: select: must be a list of strings"),
        ('[tool.torchmode-lint]\nconfidence = "likly"\n', ":2: confidence: must be one of"),
        ('[tool.torchmode-lint]\nproject-root = "sorce"\n', ":2: project-root: no such folder"),
        ('[tool.torchmode-lint]\ntorch-version = "two"\n', ":2: torch-version: must be a version"),
        ('[tool.torchmode-lint]\nno-grad-helpers = ["a.b", "no grad"]\n', ":2: no-grad-helpers: no qualified name"),
        ('[tool.torchmode-lint.mode-switchers]\n"a.b" = "eval"\n"a.c" = "evla"\n', ":3: mode-switchers: a mode is"),
        ('[tool.torchmode-lint.per-file-ignores]\n"x" = ["TML1"]\n"y" = ["missing-evl"]\n', ":3: per-file-ignores: "),
        ("[tool]\ntorchmode-lint = 3\n", ": tool.torchmode-lint must be a table"),
        ("[tool.torchmode-lint\n", ":1: not TOML: "),
    ],
)
def test_what_is_wrong_is_an_error_with_its_line(tree: Path, text: str, message: str) -> None:
    (tree / "pyproject.toml").write_text(text)
    ended = checked(".", cwd=tree)
    assert ended.code == 2
    assert f"pyproject.toml{message}" in ended.err
    assert not ended.out
    by_flake8 = run(SCRIPTS / "flake8", "--select=TML", "top.py", cwd=tree)
    assert f"top.py:1:1: TML904 pyproject.toml{message}" in by_flake8.out


def test_what_to_fail_on(tree: Path) -> None:
    for kind, code in (("any", 1), ("error", 1), ("certain", 1), ("never", 0)):
        (tree / "torchmode-lint.toml").write_text(f'fail-on = "{kind}"\n')
        assert checked("top.py", cwd=tree).code == code
    ended = checked("--fail-on", "error", "--select", "TML201", EXAMPLE, cwd=tree)
    assert ended.document["findings"]
    assert ended.code == 0  # waste


EXAMPLE = ROOT / "tests" / "fixtures" / "missing_no_grad" / "bad.py"


def test_what_the_project_says_of_its_names(tmp_path: Path) -> None:
    program, knows = tmp_path / "a.py", tmp_path / "torchmode-lint.toml"
    program.write_text(PROGRAM)
    assert codes("a.py", cwd=tmp_path) == []
    knows.write_text('module-factories = ["mylib.build"]\n')
    assert codes("a.py", cwd=tmp_path) == [("a.py", "TML101")]
    knows.write_text('eval-factories = ["mylib.build"]\n')
    assert codes("a.py", cwd=tmp_path) == []
    program.write_text(PROGRAM.replace("    with torch", "    evaluating(net)\n    with torch"))
    knows.write_text('module-factories = ["mylib.build"]\n')
    assert codes("a.py", cwd=tmp_path) == []  # whatever it does
    for mode, found in (("eval", []), ("train", [("a.py", "TML101")])):
        knows.write_text(f'module-factories = ["mylib.build"]\nmode-switchers = {{ "mylib.evaluating" = "{mode}" }}\n')
        assert codes("a.py", cwd=tmp_path) == found
    program.write_text(PROGRAM.replace("torch.no_grad()", "no_tracking()"))
    knows.write_text('module-factories = ["mylib.build"]\nno-grad-helpers = ["mylib.no_tracking"]\n')
    assert codes("a.py", cwd=tmp_path) == [("a.py", "TML101")]  # and no TML201


def test_a_name_is_meant_however_it_is_imported(tmp_path: Path) -> None:
    (tmp_path / "mylib").mkdir()
    (tmp_path / "mylib" / "__init__.py").write_text("def build():\n    return cache['net']\n")
    (tmp_path / "torchmode-lint.toml").write_text('module-factories = ["mylib.build"]\n')
    (tmp_path / "pyproject.toml").write_text("")
    for line, call in (
        ("from mylib import build", "build()"),
        ("from mylib import build as make", "make()"),
        ("import mylib", "mylib.build()"),
        ("import mylib as m", "m.build()"),
    ):
        text = PROGRAM.replace("from mylib import build, evaluating, no_tracking, clear", line)
        (tmp_path / "a.py").write_text(text.replace("build()", call))
        assert [code for _, code in codes("a.py", cwd=tmp_path)] == ["TML101"], line


TRAINING = """\
import torch
from mylib import clear


def train(net, data):
    net = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for x, y in data:
        {clear}
        loss = (net(x) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
"""


@pytest.mark.parametrize("call", ["clear(net)", "clear(net.parameters())", "clear()"])
def test_gradients_that_a_function_of_the_project_clears(tmp_path: Path, call: str) -> None:
    (tmp_path / "mylib.py").write_text("def clear(*things):\n    'Magic.'\n")
    (tmp_path / "a.py").write_text(TRAINING.format(clear=call))
    assert codes("a.py", cwd=tmp_path) == [("a.py", "TML301")]
    (tmp_path / "torchmode-lint.toml").write_text('zero-grad-helpers = ["mylib.clear"]\n')
    assert codes("a.py", cwd=tmp_path) == []


def test_gradients_that_are_cleared_too_early(tmp_path: Path) -> None:
    text = TRAINING.format(clear="pass").replace("optimizer.step()", "clear(optimizer)\n        optimizer.step()")
    (tmp_path / "a.py").write_text(text)
    assert codes("a.py", cwd=tmp_path) == []
    (tmp_path / "torchmode-lint.toml").write_text('zero-grad-helpers = ["mylib.clear"]\n')
    assert codes("a.py", cwd=tmp_path) == [("a.py", "TML302")]


def test_nothing_is_said_of_a_mode_after_the_with_statement_that_borrowed_it(tmp_path: Path) -> None:
    inside = "    with unfrozen(net), torch.no_grad():\n        print(net(data).argmax(1))\n    with torch"
    (tmp_path / "a.py").write_text(PROGRAM.replace("evaluating", "unfrozen").replace("    with torch", inside))
    knows = 'module-factories = ["mylib.build"]\nmode-switchers = { "mylib.unfrozen" = "train" }\n'
    (tmp_path / "torchmode-lint.toml").write_text(knows)
    ended = checked("a.py", cwd=tmp_path)
    assert [(each["line"], each["code"]) for each in ended.document["findings"]] == [(8, "TML101")]


def test_the_oldest_torch_decides_what_is_a_bug(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import torch\n\n\n@torch.no_grad\ndef f(x):\n    return x\n")
    assert codes("a.py", cwd=tmp_path) == []
    assert codes("--torch-version", "2.1", "a.py", cwd=tmp_path) == []
    assert codes("--torch-version", "2.0", "a.py", cwd=tmp_path) == [("a.py", "TML501")]
    torchmode("check", "--isolated", "--torch-version", "2.0", "--fix-only", "a.py", cwd=tmp_path)
    assert "\n@torch.no_grad()\n" in (tmp_path / "a.py").read_text()


def test_what_is_kept_is_kept_by_what_the_project_says(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(PROGRAM)
    (tmp_path / "pyproject.toml").write_text("")
    kept = str(tmp_path / "kept")

    def found() -> int:
        ended = torchmode("check", "--output-format", "json", "a.py", cwd=tmp_path, TORCHMODE_LINT_CACHE_DIR=kept)
        return len(ended.document["findings"])

    assert [found(), found()] == [0, 0]
    (tmp_path / "pyproject.toml").write_text('[tool.torchmode-lint]\nmodule-factories = ["mylib.build"]\n')
    assert [found(), found()] == [1, 1]
    (tmp_path / "pyproject.toml").write_text("")
    assert [found(), found()] == [0, 0]


def test_workers_know_what_the_project_says(tmp_path: Path) -> None:
    for number in range(14):
        (tmp_path / f"a{number}.py").write_text(PROGRAM)
    (tmp_path / "torchmode-lint.toml").write_text('module-factories = ["mylib.build"]\n')
    assert len(codes("--jobs", "2", ".", cwd=tmp_path)) == 14


def test_flake8_and_the_command_read_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(PROGRAM)
    (tmp_path / "torchmode-lint.toml").write_text('module-factories = ["mylib.build"]\nignore = ["TML5"]\n')
    flake8 = (SCRIPTS / "flake8", "--select=TML", "--format=%(code)s")
    assert run(*flake8, "a.py", cwd=tmp_path).out.split() == ["TML101"]
    assert [code for _, code in codes("a.py", cwd=tmp_path)] == ["TML101"]
    assert run(*flake8, "--torchmode-isolated", "a.py", cwd=tmp_path).out == ""
    (tmp_path / "torchmode-lint.toml").unlink()
    (tmp_path / "setup.cfg").write_text(
        "[flake8]\nselect = TML\ntorchmode-module-factories = mylib.build,\n    mylib.other\n"
        "torchmode-mode-switchers = mylib.evaluating=train\n"
    )
    assert run(*flake8, "a.py", cwd=tmp_path).out.split() == ["TML101"]
    (tmp_path / "setup.cfg").write_text("[flake8]\ntorchmode-torch-version = new\n")
    ended = run(*flake8, "a.py", cwd=tmp_path)
    assert ended.code == 1
    assert "torchmode-torch-version: must be a version" in ended.err


def test_every_option_explains_itself(tmp_path: Path) -> None:
    listed = torchmode("config").out.splitlines()
    assert [line.split()[0] for line in listed] == [option.name for option in OPTIONS]
    assert "wins over `select`" in torchmode("config", "ignore").out
    assert "did you mean 'per-file-ignores'" in torchmode("config", "per-file-ignore").err
    (tmp_path / "base.toml").write_text("")
    (tmp_path / "src").mkdir()
    examples = "".join(f"{o.name} = {o.example}\n" for o in OPTIONS).replace("../torchmode-lint.toml", "base.toml")
    (tmp_path / "torchmode-lint.toml").write_text(examples)
    (tmp_path / "a.py").write_text(BAD)
    assert codes("a.py", cwd=tmp_path) == []  # each example is one that is taken


def test_the_documentation_is_what_the_command_prints() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert page.endswith(torchmode("config", "--all").out)
    assert set(re.findall(r"^## (\S+)$", page, re.MULTILINE)) == {option.name for option in OPTIONS}
