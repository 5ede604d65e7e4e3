"""The rules, one a file. `ALL_RULES` is the one list of them."""

from __future__ import annotations

from torchmode_lint.rule import Rule

ALL_RULES: tuple[Rule, ...] = ()
