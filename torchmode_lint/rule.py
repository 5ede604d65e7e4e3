"""What a rule is: a value with a code, a name, a page and a pure function from a program to diagnostics.

A rule changes no state, filters nothing by configuration and reads no file. See `rules/` for the rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchmode_lint.diagnostic import Diagnostic, Severity

if TYPE_CHECKING:
    from torchmode_lint.analysis.program import Program

HEADINGS = ("What it does", "Why is this bad", "Example", "Fix safety", "What it does not see")
_CODE = re.compile(r"TML[1-9]\d\d")
_NAME = re.compile(r"[a-z]+(-[a-z]+)*")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    `code` is what users type (`TML101`), `name` what they say aloud (it reads well after "allow"),
    `doc` the page that `torchmode-lint rule` prints, `check` the rule itself.
    """

    code: str
    name: str
    severity: Severity
    doc: str
    check: Callable[[Program], Iterable[Diagnostic]]

    @property
    def of_modes(self) -> bool:
        """Whether it is about modules' modes or the grad mode (TML1xx, TML2xx), which callers may have set."""
        return self.code.startswith(("TML1", "TML2"))

    @property
    def summary(self) -> str:
        return self.doc.strip().splitlines()[0]


def validate(rules: Sequence[Rule]) -> None:
    """Assert what the rest of the program takes for granted of the list of rules."""
    assert len({rule.code for rule in rules}) == len(rules), "two rules with one code"
    assert len({rule.name for rule in rules}) == len(rules), "two rules with one name"
    for rule in rules:
        assert _CODE.fullmatch(rule.code), rule.code
        assert _NAME.fullmatch(rule.name), rule.name
        missing = [heading for heading in HEADINGS if f"## {heading}" not in rule.doc]
        assert not missing, f"{rule.code}: no heading {missing}"
