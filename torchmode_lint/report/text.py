"""The report for people: each diagnostic with its code frame, the trail that leads there and its page.

Draws only what the engine hands over: no file is opened here, a trail's step in another file is named
without its line. What a checked file says is shown, never obeyed: control characters come out as dots.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence

import click

from torchmode_lint.diagnostic import Diagnostic, Note, Severity, Span
from torchmode_lint.engine import Run, State
from torchmode_lint.report.concise import place

_TAB = "    "
_CONTEXT = 1  # lines shown before the one in question


def render(run: Run, colour: bool) -> str:
    """The whole report, ending with one line of totals."""
    pen = _Pen(colour)
    blocks = ["\n".join(_block(each, report.lines, pen)) for report in run.reports for each in report.diagnostics]
    errors = [f"{place(each)}: {pen.bad(each.code)} {each.message}" for each in run.errors]
    parts = [*blocks, *(["\n".join(errors)] if errors else []), _totals(run, pen)]
    return "\n\n".join(parts) + "\n"


class _Pen:
    """Colours, or none."""

    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def _style(self, text: str, fg: str | None = None, bold: bool | None = None) -> str:
        return click.style(text, fg=fg, bold=bold) if self.colour else text

    def bad(self, text: str) -> str:
        return self._style(text, fg="red", bold=True)

    def doubtful(self, text: str) -> str:
        return self._style(text, fg="yellow", bold=True)

    def strong(self, text: str) -> str:
        return self._style(text, bold=True)

    def faint(self, text: str) -> str:
        return self._style(text, fg="cyan")


def _block(diagnostic: Diagnostic, lines: Sequence[str], pen: _Pen) -> Iterator[str]:
    mark = pen.bad if diagnostic.severity is Severity.ERROR else pen.doubtful
    yield (
        f"{pen.strong(place(diagnostic))}: {mark(diagnostic.code)} {pen.strong(diagnostic.rule)} "
        f"({diagnostic.severity}, {diagnostic.confidence})"
    )
    yield f"  {diagnostic.message}"
    at = diagnostic.span
    width = len(str(max([at.line, *(note.span.line for note in diagnostic.trail)])))
    bar = pen.faint(f"  {'':{width}} |")
    yield bar
    for number in range(max(1, at.line - _CONTEXT), at.line):
        if number <= len(lines) and lines[number - 1].strip():
            yield _code_line(number, lines[number - 1], width, pen)
    yield from _underlined(at, lines, width, pen, mark)
    if diagnostic.trail:
        yield bar
        yield pen.faint(f"  {'':{width}} = how it comes to this:")
        for note in diagnostic.trail:
            yield from _step(note, at.path, lines, width, pen)
    yield pen.faint(f"  {'':{width}} = page: torchmode-lint rule {diagnostic.code}")


def _step(note: Note, path: str, lines: Sequence[str], width: int, pen: _Pen) -> Iterator[str]:
    at = note.span
    if at.path != path or at.line > len(lines):
        yield f"  {'':{width}}   {at.path}:{at.line}:{at.column}: {note.message}"
    else:
        yield from _underlined(at, lines, width, pen, pen.faint, note.message)


def _underlined(
    at: Span, lines: Sequence[str], width: int, pen: _Pen, mark: Callable[[str], str], message: str = ""
) -> Iterator[str]:
    """The first line of a span and, below it, carets under what the span covers there."""
    if at.line > len(lines):
        return
    line = lines[at.line - 1]
    end = at.end_column - 1 if at.end_line == at.line else len(line.rstrip())
    before, under = _columns(line[: at.column - 1]), _columns(line[at.column - 1 : end])
    yield _code_line(at.line, line, width, pen)
    carets = " " * before + mark("^" * max(1, under) + (f" {message}" if message else ""))
    yield pen.faint(f"  {'':{width}} | ") + carets


def _code_line(number: int, line: str, width: int, pen: _Pen) -> str:
    return pen.faint(f"  {number:{width}} | ") + _visible(line).rstrip()


def _visible(line: str) -> str:
    """The line without anything a terminal would act on."""
    return "".join(
        _TAB if char == "\t" else "·" if unicodedata.category(char) in {"Cc", "Cf", "Cs"} else char
        for char in line.rstrip("\r\n")
    )


def _columns(text: str) -> int:
    """How many columns of a terminal the text takes."""
    shown = _visible(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in shown
    )


def _totals(run: Run, pen: _Pen) -> str:
    states = [report.state for report in run.reports]
    looked = f"{_count(len(states), 'file')}, {states.count(State.ANALYSED)} analysed"
    failed = f", {_count(len(run.errors), 'error')}" if run.errors else ""
    if run.diagnostics:
        return pen.strong(f"{_count(len(run.diagnostics), 'diagnostic')}{failed} ({looked})")
    return pen.strong(f"Nothing to report{failed} ({looked})")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
