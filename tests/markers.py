"""The one reader of the markers in fixtures: what must, must not yet, and should not be reported on a line.

    model(x)  # error: TML101 "part of the message"    must be reported
    model(x)  # missed: TML101                         a known missed alarm; must not be reported yet
    model(x)  # false-alarm: TML101                    a known false alarm; must still be reported
    reveal_state(model)  # revealed: TRAIN|EVAL        the abstract state here; `UNREACHED` where nothing gets here
    reveal_state(model)  # revealed-wrong: TRAIN       what the analysis wrongly says here

One marker a line, at its end. `reveal_state` markers belong to the engine's own tests.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass


class Kind(enum.Enum):
    ERROR = "error"
    MISSED = "missed"
    FALSE_ALARM = "false-alarm"
    REVEALED = "revealed"
    REVEALED_WRONG = "revealed-wrong"


@dataclass(frozen=True, slots=True)
class Marker:
    """One marker; `line` counts from 1, `message` is a part of the diagnostic's, or None.

    `states` are the words of a `revealed` marker, which has no code.
    """

    line: int
    kind: Kind
    code: str = ""
    message: str | None = None
    states: frozenset[str] = frozenset()


_ANY = re.compile(r"#\s*(error|missed|false-alarm|revealed(?:-wrong)?)\b")
_MARKER = re.compile(
    r'# (?P<kind>error|missed|false-alarm): (?P<code>TML\d{3})(?: "(?P<message>[^"]+)")?$'
    r"|# (?P<reveal>revealed(?:-wrong)?): (?P<states>[^|\s]+(?:\|[^|\s]+)*)$"
)


def parse_markers(text: str) -> list[Marker]:
    """The markers of a file, in its order. Raises ValueError for what looks like one and is none."""
    markers = []
    for line, content in enumerate(text.split("\n"), start=1):
        seen = _ANY.findall(content)
        if not seen:
            continue
        match = _MARKER.search(content.rstrip())
        if match is None or len(seen) > 1:
            raise ValueError(f"line {line}: not one marker: {content.strip()}")
        if match["reveal"] is not None:
            markers.append(Marker(line, Kind(match["reveal"]), states=frozenset(match["states"].split("|"))))
        else:
            markers.append(Marker(line, Kind(match["kind"]), match["code"], match["message"]))
    return markers
