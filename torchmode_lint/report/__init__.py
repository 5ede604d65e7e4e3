"""The output formats, one a file: each turns a finished run into text and filters nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torchmode_lint.engine import Run
from torchmode_lint.report import concise, github, gitlab, html, json, junit, markdown, sarif, text

FORMATS: Mapping[str, Callable[[Run, bool], str]] = {
    "text": text.render,
    "concise": concise.render,
    "json": json.render,
    "github": github.render,
    "gitlab": gitlab.render,
    "sarif": sarif.render,
    "junit": junit.render,
    "html": html.render,
    "markdown": markdown.render,
}
