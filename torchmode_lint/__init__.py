"""torchmode-lint: finds broken train/eval, grad mode, gradient and graph protocols in PyTorch programs.

From Python: `check_source` and `check_paths`, and the values that they speak in. All of these are only imported when
they are asked for, so that `torchmode-lint --version` and flake8's start stay fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torchmode_lint.api import (
        Applicability,
        Confidence,
        ConfigurationError,
        Diagnostic,
        Edit,
        FileReport,
        Fix,
        Note,
        Severity,
        Span,
        State,
        check_paths,
        check_source,
    )

__version__ = "0.1.0"
__all__ = [
    "Applicability",
    "Confidence",
    "ConfigurationError",
    "Diagnostic",
    "Edit",
    "FileReport",
    "Fix",
    "Note",
    "Severity",
    "Span",
    "State",
    "check_paths",
    "check_source",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from torchmode_lint import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
