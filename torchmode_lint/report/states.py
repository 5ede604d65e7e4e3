"""The states beside a line as HTML: one cell for the modes, one for the grad mode, one for the gradients."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TypeAlias

from torchmode_lint.diagnostic import Span
from torchmode_lint.protocol import Gradients, GradMode, Mode, members
from torchmode_lint.report.code import text
from torchmode_lint.sight import Sight

COLUMNS = ("mode", "grad", "gradients")
States: TypeAlias = "Mode | GradMode | Gradients"
Named: TypeAlias = "tuple[tuple[str, States], ...]"
_UNKNOWN = (Mode.ENTRY, GradMode.ENTRY, Gradients.ENTRY)


@dataclass(frozen=True, slots=True)
class Cell:
    """What one cell shows: its states by name, and where calls differ, those of each call."""

    joined: Named
    calls: tuple[tuple[tuple[Span, ...], Named], ...] = ()


def cells(sights: Sequence[Sight]) -> Iterator[Cell]:
    """The cells of a line, in the order of `COLUMNS`."""
    for column in (lambda one: one.modes, lambda one: (("", one.grad),), lambda one: one.gradients):
        yield _cell([(one.calls, _told(column(one))) for one in sights])


def _cell(by_call: list[tuple[tuple[Span, ...], Named]]) -> Cell:
    told = dict.fromkeys(named for _, named in by_call)
    if len(told) < 2:
        return Cell(next(iter(told), ()))
    states: dict[str, list[States]] = {}
    for name, each in itertools.chain(*told):
        states.setdefault(name, []).append(each)
    joined = []
    for name, known in states.items():
        unknown = () if len(known) == len(told) else (type(known[0]).ENTRY,)
        joined.append((name, reduce(or_, (*known, *unknown))))
    return Cell(tuple(joined), tuple(by_call))


def _told(named: Iterable[tuple[str, States]]) -> Named:
    """Without those of which nothing is known."""
    return tuple(one for one in named if one[1] not in _UNKNOWN)


def cell_as_html(cell: Cell, column: str, line: str, above: Cell | None, link: Callable[[Span], str]) -> str:
    """A table cell of a line with that name; `above` is the one in the line before, `link` shows a place."""
    shown = _pills(cell.joined)
    if not shown:
        return f'<td class="{column}"></td>'
    if cell.calls and cell != above:
        rows = "".join(f"<li>{_way(calls, link)} {_pills(named) or 'unknown'}</li>" for calls, named in cell.calls)
        name = f"{line}-{column}"
        shown += (
            f'<button type="button" popovertarget="{name}">{len(cell.calls)} calls</button>'
            f'<div class="calls" id="{name}" popover><p>The {column} here, by the calls that lead here:</p>'
            f"<ul>{rows}</ul></div>"
        )
    same = " same" if above == cell else ""
    return f'<td class="{column}{same}">{shown}</td>'


def _pills(named: Named) -> str:
    return "".join(
        f'<span class="state {_class(states)}">{f"<i>{text(name)}</i> " if name else ""}{_words(states)}</span>'
        for name, states in named
    )


def _class(states: States) -> str:
    return "-".join(_word(one) for one in members(states)) if len(members(states)) == 1 else "several"


def _words(states: States) -> str:
    *first, last = map(_word, members(states))
    return f"{', '.join(first)} or {last}" if first else last


def _word(state: States) -> str:
    return "unknown" if state in _UNKNOWN else str(state.name).lower()


def _way(calls: Sequence[Span], link: Callable[[Span], str]) -> str:
    if not calls:
        return "without a caller in sight:"
    inner, *outer = reversed(calls)
    via = "".join(f" ← {link(one)}" for one in outer)
    return f"called in {link(inner)}{via}:"
