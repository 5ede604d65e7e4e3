"""One self-contained page: the diagnostics, their trails to be followed by clicks, and the states beside the source.

The page asks for nothing from anywhere, says so in a content security policy that knows its script and its style by
their hashes, and can be read without the script. Files with diagnostics are shown whole, of others only the lines
around the steps of a trail.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import groupby

from torchmode_lint import __version__
from torchmode_lint.diagnostic import Diagnostic, Note, Span
from torchmode_lint.engine import FileReport, Run
from torchmode_lint.report.code import Piece, line_as_html, prose, text, words_of
from torchmode_lint.report.concise import place
from torchmode_lint.report.pages import rule_as_html
from torchmode_lint.report.patch import fix_as_html
from torchmode_lint.report.states import COLUMNS, Cell, cell_as_html, cells
from torchmode_lint.rules import ALL_RULES
from torchmode_lint.sight import Sight

AROUND = 3  # lines shown around a step in a file without diagnostics
_WIDTH = len(COLUMNS) + 2
_LEGEND = """<details><summary>How to read this page</summary>
<p>The numbers of a trail lead from line to line; the number at the end of a line leads back. Once a trail is entered,
the arrow keys go along it and Escape goes back.</p>
<p>Beside a line stands what is known where it <em>begins</em>, whatever way it is reached: the <b>mode</b> of modules,
by the names that they have there, the <b>grad</b> mode, and what the <b>gradients</b> of optimizers hold. What is the
same as above is only coloured. Nothing stands where nothing is known or nothing happens; modules that compute alike in
both modes are left out. Where calls differ, their number opens what each brings.</p>
<ul class="legend">
<li><span class="state clean">clean</span> cleared, or never filled</li>
<li><span class="state filled">filled</span> by a backward</li>
<li><span class="state stale">stale</span> a step has used them</li>
<li><span class="state mixed">mixed</span> a backward has added to stale ones</li>
<li><span class="state discarded">discarded</span> cleared before a step has used them</li>
</ul></details>
"""


def render(run: Run, colour: bool) -> str:
    """The page; the same run gives the same page. `colour` is the reader's affair."""
    style, script = (files(__package__).joinpath(f"page.{kind}").read_text("utf-8") for kind in ("css", "js"))
    policy = f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    page = _Page(run)
    title = _count(len(run.diagnostics), "diagnostic")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{title} · torchmode-lint</title>\n<link rel="icon" href="data:,">\n<style>{style}</style>\n</head>\n'
        f"<body>\n{''.join(page.parts())}<script>{script}</script>\n</body>\n</html>\n"
    )


def _hash(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class _Block:
    """A file, or a cell of a notebook: its lines, those of them that are shown, and what is known beside them."""

    where: str
    cell: int | None
    prefix: str
    lines: tuple[str, ...]
    shown: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Section:
    """What is shown of a file under one heading."""

    path: str
    number: int
    whole: bool
    blocks: tuple[_Block, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """A diagnostic, what it is called in the page, and all steps: the trail, and the diagnostic itself at its end."""

    name: str
    each: Diagnostic

    @property
    def steps(self) -> tuple[Note, ...]:
        trail, at = self.each.trail, self.each.span
        return trail if not trail or trail[-1].span == at else (*trail, Note(at, "reported here"))


@dataclass(slots=True)
class _Page:
    run: Run
    found: list[_Found] = field(init=False)
    sections: list[_Section] = field(init=False)
    sights: Mapping[Span, tuple[Sight, ...]] = field(init=False)
    _blocks: dict[str, _Block] = field(init=False)
    _marks: dict[tuple[str, int], list[tuple[Piece, Note | None, _Found]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.found = [_Found(f"d{number}", each) for number, each in enumerate(self.run.diagnostics, 1)]
        self.sections = list(_sections(self.run.reports))
        self._blocks = {block.where: block for section in self.sections for block in section.blocks}
        self.sights = _all_sights(self.run.reports)
        for one in self.found:
            self._mark(one.each.span, one.name, None, one)
            for number, note in enumerate(one.steps, 1):
                self._mark(note.span, f"{one.name}-{number}", note, one)

    def _mark(self, at: Span, name: str, note: Note | None, one: _Found) -> None:
        block = self._blocks.get(at.where)
        if block is not None and 0 < at.line <= len(block.lines):
            end = at.end_column - 1 if at.end_line == at.line else len(block.lines[at.line - 1].rstrip())
            piece = Piece(at.column - 1, max(end, at.column), name)
            self._marks.setdefault((at.where, at.line), []).append((piece, note, one))

    def parts(self) -> Iterator[str]:
        yield '<a class="skip" href="#report">Skip to the report</a>\n'
        yield from self._header()
        yield '<div class="layout">\n'
        yield from self._list()
        yield '<main id="report">\n'
        if self.run.errors:
            yield '<section class="errors"><h2>Could not be checked</h2><ul>\n'
            yield from (
                f"<li><b>{each.code}</b> {text(place(each))}: {prose(each.message)}</li>\n" for each in self.run.errors
            )
            yield "</ul></section>\n"
        if not self.found:
            yield '<p class="nothing">Nothing to report.</p>\n'
        for section in self.sections:
            yield from self._section(section)
        yield from self._rules()
        yield f"<footer>torchmode-lint {__version__}</footer>\n</main>\n</div>\n"
        yield '<div id="bar" role="region" aria-label="Trail" hidden></div>\n'

    def _header(self) -> Iterator[str]:
        with_some = sum(bool(report.diagnostics) for report in self.run.reports)
        failed = f", {_count(len(self.run.errors), 'error')}" if self.run.errors else ""
        yield (
            "<header><h1>torchmode-lint</h1>"
            f"<p><strong>{_count(len(self.found), 'diagnostic')}</strong> in {_count(with_some, 'file')}{failed}, "
            f"{_count(len(self.run.reports), 'file')} checked</p>"
        )
        counts = Counter((one.each.code, one.each.rule) for one in self.found)
        if len(counts) > 1:
            yield '<div class="filters" role="group" aria-label="Rules that are shown" hidden>'
            for (code, rule), number in sorted(counts.items()):
                yield f'<button type="button" aria-pressed="true" value="{code}">{code} {rule} <b>{number}</b></button>'
            yield "</div>"
        if self.found:
            yield _LEGEND
        yield "</header>\n"

    def _list(self) -> Iterator[str]:
        if not self.found:
            return
        yield '<nav aria-label="Diagnostics"><h2>Diagnostics</h2>\n'
        for path, group in groupby(self.found, lambda one: one.each.span.path):
            yield f"<h3>{text(path)}</h3><ol>\n"
            for one in group:
                at = one.each.span
                where = f"{at.line}" if at.cell is None else f"cell {at.cell}, {at.line}"
                yield (
                    f'<li data-code="{one.each.code}"><a class="{one.each.severity}" href="#{one.name}">'
                    f"<b>{one.each.code}</b> <span>{where}</span> {prose(one.each.message)}</a></li>\n"
                )
            yield "</ol>\n"
        yield "</nav>\n"

    def _section(self, section: _Section) -> Iterator[str]:
        here = [one for one in self.found if section.whole and one.each.span.path == section.path]
        told = _count(len(here), "diagnostic") if section.whole else "where trails lead through"
        yield (
            f'<section class="file" aria-labelledby="f{section.number}"><h2 id="f{section.number}">{text(section.path)}'
            f' <small>{told}</small></h2>\n<div class="scroll"><table>\n<thead><tr><th scope="col">line</th>'
            + "".join(f'<th scope="col">{column}</th>' for column in COLUMNS)
            + '<th scope="col">source</th></tr></thead>\n'
        )
        for block in section.blocks:
            yield "<tbody>\n"
            if block.cell is not None:
                yield f'<tr class="cell"><th colspan="{_WIDTH}" scope="rowgroup">cell {block.cell}</th></tr>\n'
            yield from self._lines(section, block)
            yield "</tbody>\n"
        yield "</table></div></section>\n"

    def _lines(self, section: _Section, block: _Block) -> Iterator[str]:
        words = words_of(block.lines)
        above: list[Cell] = []
        last = 0
        for line in sorted(block.shown):
            if line > last + 1 and not section.whole:
                yield f'<tr class="gap"><td colspan="{_WIDTH}">⋯</td></tr>\n'
                above = []
            last = line
            marks = self._marks.get((block.where, line), [])
            sights = self.sights.get(Span(section.path, line, 1, line, 1, block.cell), ())
            now = list(cells(sights))
            anchor = f"{block.prefix}{line}"
            beside = zip(now, COLUMNS, above or (None, None, None), strict=True)
            states = "".join(cell_as_html(cell, column, anchor, one, self.link) for cell, column, one in beside)
            above = now if sights else above
            hits = {one.each.severity.value for _, note, one in marks if note is None}
            row = f' class="hit {"error" if "error" in hits else "warning"}"' if hits else ""
            code = line_as_html(block.lines[line - 1], words.get(line, ()), [piece for piece, *_ in marks])
            yield (
                f'<tr id="{anchor}"{row}><th scope="row"><a href="#{anchor}">{line}</a></th>'
                f'{states}<td class="code"><code>{code}</code>{"".join(_badges(marks))}</td></tr>\n'
            )
            for _, note, one in marks:
                if note is None:
                    yield from self._diagnostic(one)

    def link(self, at: Span) -> str:
        """A place as a link to its line, where that is shown."""
        block = self._blocks.get(at.where)
        name = text(f"{at.where}:{at.line}")
        return (
            f'<a href="#{block.prefix}{at.line}">{name}</a>' if block is not None and at.line in block.shown else name
        )

    def _diagnostic(self, one: _Found) -> Iterator[str]:
        each = one.each
        yield (
            f'<tr class="diagnostic {each.severity}" data-code="{each.code}" id="{one.name}"><td colspan="{_WIDTH}">'
            f'<article><h3><a href="#{each.code}">{each.code}</a> {each.rule}'
            f" <small>{each.severity}, {each.confidence}</small></h3><p>{prose(each.message)}</p>"
        )
        if one.steps:
            yield '<ol class="trail">'
            for number, note in enumerate(one.steps, 1):
                block = self._blocks.get(note.span.where)
                lines = () if block is None else block.lines
                quoted = lines[note.span.line - 1].strip() if note.span.line <= len(lines) else ""
                yield (
                    f'<li data-step="{one.name}-{number}">{self.link(note.span)} <code>{text(quoted)}</code>'
                    f" <span>{prose(note.message)}</span></li>"
                )
            yield "</ol>"
        if each.fix is not None:
            yield fix_as_html(each.fix, lambda where: self._blocks[where].lines if where in self._blocks else ())
        yield "</article></td></tr>\n"

    def _rules(self) -> Iterator[str]:
        codes = {one.each.code for one in self.found}
        rules = [rule for rule in ALL_RULES if rule.code in codes]
        if rules:
            yield '<section class="rules"><h2>The rules</h2>\n'
            for rule in rules:
                yield f'<details id="{rule.code}"><summary><b>{rule.code}</b> {rule.name}</summary>'
                yield f"{rule_as_html(rule)}</details>\n"
            yield "</section>\n"


def _badges(marks: Iterable[tuple[Piece, Note | None, _Found]]) -> Iterator[str]:
    """For each step of a trail on a line, the way back to its diagnostic."""
    for piece, note, one in marks:
        if note is not None and note is not one.steps[-1]:
            number = piece.name.rpartition("-")[2]
            told = text(f"{one.each.code}, step {number}: {note.message}")
            yield f'<a class="badge {one.each.severity}" href="#{one.name}" title="{told}">{number}</a>'


def _sections(reports: Iterable[FileReport]) -> Iterator[_Section]:
    """Files with diagnostics, whole; then, of others, the lines around steps."""
    reports = [report for report in reports if report.diagnostics]
    known = {where: lines for report in reports for where, lines in report.lines.items()}
    whole = {report.path for report in reports}
    steps: dict[str, dict[str, tuple[int | None, set[int]]]] = {}
    for at in (note.span for report in reports for each in report.diagnostics for note in each.trail):
        if at.path not in whole:
            shown = steps.setdefault(at.path, {}).setdefault(at.where, (at.cell, set()))[1]
            shown |= set(range(max(1, at.line - AROUND), min(len(known.get(at.where, ())), at.line + AROUND) + 1))
    for number, report in enumerate(reports, 1):
        blocks = []
        for where, lines in report.lines.items():
            path, _, cell = where.rpartition(":cell ")
            if report.path in (where, path):
                index = None if report.path == where else int(cell)
                prefix = f"f{number}-" if index is None else f"f{number}-{index}-"
                blocks.append(_Block(where, index, prefix, lines, frozenset(range(1, len(lines) + 1))))
        yield _Section(report.path, number, True, tuple(sorted(blocks, key=lambda block: block.cell or 0)))
    for number, (path, by_where) in enumerate(sorted(steps.items()), len(reports) + 1):
        parts = [
            _Block(
                where, cell, f"f{number}-{'' if cell is None else f'{cell}-'}", known.get(where, ()), frozenset(lines)
            )
            for where, (cell, lines) in by_where.items()
        ]
        yield _Section(path, number, False, tuple(parts))


def _all_sights(reports: Iterable[FileReport]) -> Mapping[Span, tuple[Sight, ...]]:
    """What any analysis saw; a call in sight is preferred to none."""
    found: dict[Span, dict[tuple[Span, ...], Sight]] = {}
    for report in reports:
        for at, sights in report.sights.items():
            found.setdefault(at, {}).update((one.calls, one) for one in sights)
    return {
        at: tuple(one for calls, one in sorted(by_call.items()) if calls or len(by_call) == 1)
        for at, by_call in found.items()
    }
