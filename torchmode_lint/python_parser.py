"""Python's own parser, without its warnings. Its refusal is not the last word: it speaks the grammar that runs."""

from __future__ import annotations

import ast
import warnings


def python_tree(text: str | bytes) -> ast.Module | None:
    """The tree of a file, None where Python's own parser refuses it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
