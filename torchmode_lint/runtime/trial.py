"""A user's own program on trial: what the checker says of it, laid beside what happened when it ran.

The program is run, with the user's rights, in a process of its own. Each diagnostic is *confirmed* (the broken move
happened there), *not observed* (it ran, and the move did not happen) or *not reached*; a broken move that no diagnostic
speaks of is *missed*.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from torchmode_lint.config import Options
from torchmode_lint.deep import on_deep_stack
from torchmode_lint.diagnostic import Diagnostic
from torchmode_lint.engine import check_file, enabled_rules
from torchmode_lint.examine import Loaders
from torchmode_lint.runtime.observed import Broken, Observed
from torchmode_lint.text import shown_path

CONFIRMED, NOT_REACHED, NOT_OBSERVED, MISSED = "confirmed", "not reached", "not observed", "missed"
_GRACE = 10.0  # seconds after the time limit, in which the program's own process ends itself
# what has no effect cannot be seen to happen: that its line was reached is all there is
_BY_LINE = {"TML501"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the table. `times` counts the broken moves, 0 where there were none."""

    verdict: str
    code: str
    path: str
    line: int
    what: str
    times: int = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """The whole of it; `ended` says how the program ended, `exit_code` is its own."""

    verdicts: tuple[Verdict, ...]
    ended: str
    exit_code: int
    steps: int
    files: tuple[str, ...]


def run(
    program: Sequence[str], *, module: bool, options: Options, root: Path, timeout: float | None, steps: int | None
) -> Trial:
    """Run a program (its script or module, and its arguments) and compare."""
    with tempfile.TemporaryDirectory(prefix="torchmode-lint-") as scratch:
        report = Path(scratch) / "observed.json"
        command = [sys.executable, "-m", "torchmode_lint.runtime.child", str(report), str(root)]
        command += [str(steps or 0), str(timeout or 0), "module" if module else "script", *program]
        child = subprocess.Popen(command)
        try:
            code = child.wait(None if timeout is None else timeout + _GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
            code = child.wait()
        except KeyboardInterrupt:
            code = child.wait()
        data = json.loads(report.read_text()) if report.exists() else None
    if data is None:
        return Trial((), f"nothing was seen (exit code {code})", code, 0, ())
    observed, lines = Observed.from_json(data), {path: set(numbers) for path, numbers in data["lines"].items()}
    files = tuple(sorted(path for path in lines if Path(path).is_file()))
    loaders = Loaders()
    found = on_deep_stack(
        lambda: [each for path in files for each in check_file(Path(path), options, loaders).diagnostics]
    )
    shown = {shown_path(Path(path)): numbers for path, numbers in lines.items()}
    ended = observed.ended if observed.ended != "killed" else f"killed (exit code {code})"
    return Trial(tuple(compare(found, observed, shown)), ended, code, observed.steps, files)


def compare(found: Iterable[Diagnostic], observed: Observed, reached: dict[str, set[int]]) -> Iterator[Verdict]:
    """The verdict on each diagnostic, then what was missed; `reached` are lines by the path as it is shown."""
    broken = list(observed.broken)
    explained: set[int] = set()
    for each in sorted(found, key=Diagnostic.sort_key):
        matching = [at for at, move in enumerate(broken) if move.code == each.code and _is_at(move, each)]
        explained.update(matching)
        times = sum(broken[at].times for at in matching)
        ran = any(line in reached.get(each.span.path, ()) for line in range(each.span.line, each.span.end_line + 1))
        happened = bool(matching) or (each.code in _BY_LINE and ran)
        verdict = CONFIRMED if happened else NOT_OBSERVED if ran else NOT_REACHED
        yield Verdict(verdict, each.code, each.span.path, each.span.line, each.message, times)
    enabled = {rule.code for rule in enabled_rules((), ())}
    spoken_of = {broken[at].chain for at in explained if broken[at].code == "TML201"}
    for at, move in enumerate(broken):
        if move.code == "TML403" and move.chain in spoken_of:
            continue  # a graph that should not be there is not missed a second time for being kept
        if at not in explained and move.code in enabled:
            place = move.chain[0]
            yield Verdict(MISSED, move.code, shown_path(Path(place.path)), place.line, move.what, move.times)


def _is_at(move: Broken, diagnostic: Diagnostic) -> bool:
    """Whether one of the calls that led to a broken move is where the diagnostic or, for kept graphs, its trail is."""
    spans = [diagnostic.span]
    if diagnostic.code == "TML403":
        spans += [note.span for note in diagnostic.trail]
    return any(
        shown_path(Path(place.path)) == span.path and span.line <= place.line <= span.end_line
        for place in move.chain
        for span in spans
    )


def as_text(trial: Trial) -> str:
    """The table for a terminal."""
    lines = [
        f"{each.verdict:<13} {each.code}  {each.path}:{each.line}  {each.what}"
        + (f" ({each.times}x)" if each.times else "")
        for each in trial.verdicts
    ]
    counts = {word: sum(each.verdict == word for each in trial.verdicts) for word in _WORDS}
    summary = ", ".join(f"{count} {word}" for word, count in counts.items())
    files = f"{len(trial.files)} file" + "s" * (len(trial.files) != 1)
    lines.append(f"The program {trial.ended}, {trial.steps} optimizer steps; {files}; {summary}")
    return "\n".join(lines) + "\n"


_WORDS = (CONFIRMED, NOT_OBSERVED, NOT_REACHED, MISSED)


def as_json(trial: Trial) -> str:
    document = {
        "version": 1,
        "program": {"ended": trial.ended, "exit_code": trial.exit_code, "steps": trial.steps, "files": trial.files},
        "verdicts": [
            {
                "verdict": each.verdict,
                "code": each.code,
                "path": each.path,
                "line": each.line,
                "message": each.what,
                "times": each.times,
            }
            for each in trial.verdicts
        ],
    }
    return json.dumps(document, indent=2) + "\n"
