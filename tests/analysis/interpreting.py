"""Programs as text, interpreted as a file would be."""

from __future__ import annotations

from torchmode_lint.analysis import analyse
from torchmode_lint.analysis.program import Program
from torchmode_lint.engine import on_deep_stack
from torchmode_lint.source import parse_source

IMPORTS = "import torch\nfrom torch import nn\n\n"


def interpret(text: str) -> Program:
    return on_deep_stack(lambda: analyse(parse_source((IMPORTS + text).encode(), "a.py")))
