"""The page of a rule as HTML; it is written in a small part of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from torchmode_lint.report.code import prose, text
from torchmode_lint.rule import Rule

_PARAGRAPHS = re.compile(r"\n{2,}(?=\S)|\n{2,}(?=    )")


def rule_as_html(rule: Rule) -> str:
    """Headings, paragraphs, lists and indented code."""
    return "".join(_blocks(rule.doc.strip()))


def _blocks(page: str) -> Iterator[str]:
    for block in _PARAGRAPHS.split(page):
        if block.startswith("## "):
            yield f"<h4>{text(block[3:])}</h4>\n"
        elif block.startswith("    "):
            code = "\n".join(text(line[4:]) for line in block.split("\n"))
            yield f"<pre><code>{code}</code></pre>\n"
        elif block.startswith("- "):
            items = (f"<li>{prose(_joined(item[2:]))}</li>\n" for item in re.split(r"\n(?=- )", block))
            yield f"<ul>{''.join(items)}</ul>\n"
        else:
            yield f"<p>{prose(_joined(block))}</p>\n"


def _joined(block: str) -> str:
    return " ".join(line.strip() for line in block.split("\n"))
