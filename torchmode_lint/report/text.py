"""The report for people: each diagnostic with its code frame, the trail that leads there and its page.

Draws only what the engine hands over and opens no file. What a checked file says is shown, never obeyed:
control characters come out as dots.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import click

from torchmode_lint.diagnostic import Applicability, Diagnostic, Severity, Span
from torchmode_lint.engine import FileReport, Run, State
from torchmode_lint.report.concise import place

_TAB = "    "
_HOW = {
    Applicability.SAFE: "safe: --fix",
    Applicability.UNSAFE: "unsafe: --fix --unsafe-fixes",
    Applicability.DISPLAY: "by hand",
}


def render(run: Run, colour: bool) -> str:
    """The whole report, ending with one line of totals unless the run is quiet."""
    pen = _Pen(colour)
    blocks = ["\n".join(_block(each, report, pen)) for report in run.reports for each in report.diagnostics]
    errors = "\n".join(f"{pen.strong(place(each))}: {pen.wrong(each.code)} {each.message}" for each in run.errors)
    parts = [*blocks, *([errors] if errors else []), *([] if run.quiet else [pen.strong(_totals(run))])]
    return "\n\n".join(parts) + "\n" if parts else ""


@dataclass(frozen=True, slots=True)
class _Pen:
    """Colours, or none."""

    colour: bool

    def _paint(self, text: str, fg: str | None = None, bold: bool | None = None) -> str:
        return click.style(text, fg=fg, bold=bold) if self.colour else text

    def wrong(self, text: str) -> str:
        return self._paint(text, fg="red", bold=True)

    def wasteful(self, text: str) -> str:
        return self._paint(text, fg="yellow", bold=True)

    def strong(self, text: str) -> str:
        return self._paint(text, bold=True)

    def faint(self, text: str) -> str:
        return self._paint(text, fg="cyan")


@dataclass(frozen=True, slots=True)
class _Frame:
    """Lines of code behind a margin that is `width` digits wide."""

    width: int
    lines: Mapping[str, tuple[str, ...]]
    pen: _Pen

    def margin(self, sign: str, number: int | None = None) -> str:
        return self.pen.faint(f"  {'' if number is None else number:>{self.width}} {sign} ")

    def line(self, at: Span, number: int) -> Iterator[str]:
        """The line `number` of the span's file, unless there is none or it is empty."""
        lines = self.lines.get(at.where, ())
        if 0 < number <= len(lines) and lines[number - 1].strip():
            yield self.margin("|", number) + _visible(lines[number - 1]).rstrip()

    def span(self, at: Span, mark: Callable[[str], str], message: str = "") -> Iterator[str]:
        """The first line of a span and, below it, carets under what the span covers there."""
        shown = list(self.line(at, at.line))
        if not shown:
            yield self.margin(":") + f"line {at.line} {message}".rstrip()
            return
        line = self.lines[at.where][at.line - 1]
        end = at.end_column - 1 if at.end_line == at.line else len(line.rstrip())
        carets = "^" * max(1, _columns(line[at.column - 1 : end]))
        yield from shown
        yield self.margin("|") + " " * _columns(line[: at.column - 1]) + mark(f"{carets} {message}".rstrip())


def _block(diagnostic: Diagnostic, report: FileReport, pen: _Pen) -> Iterator[str]:
    mark = pen.wrong if diagnostic.severity is Severity.ERROR else pen.wasteful
    at, trail = diagnostic.span, diagnostic.trail
    frame = _Frame(len(str(max([at.line, *(note.span.line for note in trail)]))), report.lines, pen)
    yield (
        f"{pen.strong(place(diagnostic))}: {mark(diagnostic.code)} {pen.strong(diagnostic.rule)} "
        f"({diagnostic.severity}, {diagnostic.confidence})"
    )
    yield f"  {diagnostic.message}"
    yield frame.margin("|").rstrip()
    yield from frame.line(at, at.line - 1)
    yield from frame.span(at, mark)
    where = at.where
    for number, note in enumerate(trail):
        if number == 0:
            yield frame.margin("=") + "the way there:"
        if note.span.where != where:
            where = note.span.where
            yield frame.margin(">") + where
        yield from frame.span(note.span, pen.faint, note.message)
    if diagnostic.fix is not None:
        yield frame.margin("=") + f"fix: {_visible(diagnostic.fix.message)} ({_HOW[diagnostic.fix.applicability]})"
    yield frame.margin("=") + f"page: torchmode-lint rule {diagnostic.code}"


def _visible(line: str) -> str:
    """The line without anything a terminal would act on."""
    return "".join(
        _TAB if char == "\t" else "·" if unicodedata.category(char) in ("Cc", "Cf", "Cs") else char
        for char in line.rstrip("\r\n")
    )


def _columns(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in _visible(text)
    )


def _totals(run: Run) -> str:
    states = [report.state for report in run.reports]
    found = _count(len(run.diagnostics), "diagnostic") if run.diagnostics else "Nothing to report"
    failed = f", {_count(len(run.errors), 'error')}" if run.errors else ""
    safe = sum(one.fix is not None and one.fix.applicability is Applicability.SAFE for one in run.diagnostics)
    fixable = f"; {safe} can be fixed with --fix" if safe else ""
    return f"{found}{failed} ({_count(len(states), 'file')}, {states.count(State.ANALYSED)} analysed){fixable}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
