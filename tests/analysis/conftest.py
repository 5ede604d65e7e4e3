"""What tests of the analysis share."""

from __future__ import annotations

import pytest

from torchmode_lint.analysis.interpreter import Interpreter


@pytest.fixture
def interpreters(monkeypatch: pytest.MonkeyPatch) -> list[Interpreter]:
    """Every interpreter that is made."""
    made: list[Interpreter] = []
    init = Interpreter.__init__

    def remember(self: Interpreter, *arguments: object) -> None:
        init(self, *arguments)  # type: ignore[arg-type]
        made.append(self)

    monkeypatch.setattr(Interpreter, "__init__", remember)
    return made
