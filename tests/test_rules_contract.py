"""What users are told of the rules is one set: code, pages, README, changelog and fixtures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from commands import FIXTURES, ROOT
from torchmode_lint.analysis import analyse
from torchmode_lint.examine import findings
from torchmode_lint.rule import HEADINGS, Rule, validate
from torchmode_lint.rules import ALL_RULES
from torchmode_lint.source import parse_source

RULES = {rule.code: rule.name for rule in ALL_RULES}


def test_the_list_of_rules_is_valid_and_in_order() -> None:
    validate(ALL_RULES)
    assert [rule.code for rule in ALL_RULES] == sorted(RULES)


@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: rule.name)
def test_a_rules_page_has_the_fixed_headings_in_order(rule: Rule) -> None:
    headings = re.findall(r"^## (.+)$", rule.doc, re.MULTILINE)
    assert tuple(headings) == HEADINGS
    assert rule.summary and len(rule.summary) <= 120
    sections = re.split(r"^## .+$", rule.doc, flags=re.MULTILINE)
    assert all(section.strip() for section in sections)


@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: rule.name)
def test_a_rule_is_one_file_and_one_folder_of_fixtures(rule: Rule) -> None:
    stem = rule.name.replace("-", "_")
    assert rule.check.__module__ == f"torchmode_lint.rules.{stem}"
    assert {"bad.py", "good.py"} <= {path.name for path in (FIXTURES / stem).iterdir()}
    assert f"# error: {rule.code}" in (FIXTURES / stem / "bad.py").read_text()


def test_every_folder_of_fixtures_is_a_rules() -> None:
    folders = {path.parent.name for path in FIXTURES.glob("*/bad.py")}
    assert folders == {name.replace("-", "_") for name in RULES.values()}


def test_the_readmes_table_is_the_list_of_rules() -> None:
    rows = re.findall(r"^\| (TML\d+) \| ([a-z-]+) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert rows == list(RULES.items())


def test_the_changelog_names_every_rule_when_it_came() -> None:
    lines = re.findall(r"^- (TML\d+) ([a-z-]+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert sorted(lines) == list(RULES.items())


def test_the_codes_named_in_fixtures_are_rules() -> None:
    marker = re.compile(r"# (?:error|missed|false-alarm): (TML\d+)")
    named = {code for path in FIXTURES.rglob("*.py") for code in marker.findall(path.read_text())}
    assert named <= RULES.keys()


def test_a_list_of_rules_that_is_not_right_is_refused() -> None:
    rule = ALL_RULES[0]
    for wrong in (
        [rule, rule],
        [Rule("TML1", rule.name, rule.severity, rule.doc, rule.check)],
        [Rule(rule.code, "Missing_Eval", rule.severity, rule.doc, rule.check)],
        [Rule(rule.code, rule.name, rule.severity, "No headings.", rule.check)],
    ):
        with pytest.raises(AssertionError):
            validate(wrong)


def test_the_readmes_test_command_is_what_ci_runs() -> None:
    command = "python tests/all.py"
    assert command in (ROOT / "README.md").read_text()
    script = (ROOT / ".ci" / "run").read_text()
    assert command in script and Path(command.split()[1]) in {path.relative_to(ROOT) for path in ROOT.glob("tests/*")}


def test_the_floors_that_are_tested_are_the_floors_that_are_declared() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    for name, version in re.findall(
        r"^([a-z0-9]+)==([0-9.]+)$", (ROOT / ".ci" / "floors.txt").read_text(), re.MULTILINE
    ):
        declared = re.findall(rf'"{name}>=([0-9.]+)"', text)
        assert declared and all(version == floor or version == f"{floor}.0" for floor in declared), name


KEPT = """\
from torch import nn, optim

def run(data, flag):
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    optimizer = optim.SGD([*a.parameters(), *b.parameters()], lr=0.1)
    losses = []
    for x in data:
        if flag(x):
            loss = a(x).mean()
        else:
            loss = b(x).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    print(losses)
"""


def test_of_several_forwards_behind_what_is_kept_the_first_is_told_of() -> None:
    """Whatever the order is in which they were seen, which may be that of addresses in memory."""
    program = analyse(parse_source(KEPT.encode(), "a.py"))
    found = findings(program)
    assert [(one.diagnostic.code, one.diagnostic.trail[0].span.line) for one in found] == [("TML403", 9)]
    program.forwards.reverse()
    program.kepts.reverse()
    assert findings(program) == found
