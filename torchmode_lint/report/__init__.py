"""The output formats, one a file: each turns a finished run into text and filters nothing.

Only the format that is asked for is imported.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torchmode_lint.engine import Run

FORMATS = ("text", "concise", "json", "github", "gitlab", "sarif", "junit", "html", "markdown")


def render(run: Run, output_format: str, *, colour: bool = False) -> str:
    """A run as text, in one of the formats."""
    text: str = importlib.import_module(f"{__name__}.{output_format}").render(run, colour)
    return text
