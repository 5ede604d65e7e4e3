"""Python's own parser, without its warnings. Its refusal is not the last word: it speaks the grammar that runs."""

from __future__ import annotations

import ast
import codecs
import functools
import symtable
import warnings

_STOP = b"from __future__ import nothing_at_all\n"


def python_reads(text: bytes) -> bool:
    """Whether Python's own parser reads a file; that costs less than half of what a tree does.

    Where something is asked of `__future__` that is unknown, Python stops right after its parser.
    """
    head = text.split(b"\n", 2)[:2]  # where an encoding may be declared, which has to stay there
    asked = text if text.startswith(codecs.BOM_UTF8) or any(b"coding" in line for line in head) else _STOP + text
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            symtable.symtable(asked, "", "exec")  # type: ignore[arg-type]  # whose parser takes bytes, too
        except SyntaxError as error:
            return str(error.msg).startswith("future feature") or python_tree(text) is not None
        except (ValueError, RecursionError, MemoryError):
            return python_tree(text) is not None
    return True


def children(node: ast.AST) -> list[ast.AST]:
    """What `ast.iter_child_nodes` gives, in less time."""
    found: list[ast.AST] = []
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            found += [one for one in value if isinstance(one, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


@functools.lru_cache(maxsize=1)
def file_tree(text: str) -> ast.Module | None:
    """The tree of a file; the last one is kept, since several ask for it one after the other. Not to be changed."""
    return python_tree(text)


def python_tree(text: str | bytes) -> ast.Module | None:
    """The tree of some code, None where Python's own parser refuses it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
