"""One program, checked and run: for each rule, what the checker reports and what the monitor sees."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

import torch

from torchmode_lint.config import Options
from torchmode_lint.diagnostic import Confidence
from torchmode_lint.engine import check_source
from torchmode_lint.runtime.monitor import Monitor
from torchmode_lint.source import parse_source

NAME = "generated.py"


@dataclass(frozen=True)
class Agreement:
    """The rules reported, with the highest confidence, and those seen; `raised` is the error that ended the program.

    Where the program raised, only the rule of the error counts, since what would have followed was not reached. Of a
    forward that was meant to be trained, and was not for want of a backward or because its gradients were cleared, that
    is said and nothing else; of an evaluation in train mode, that it is in train mode, and not its graph besides; of
    one that records a graph, that it does, and not that its state keeps the graph from turn to turn. So the rules'
    pages have it.
    """

    reported: dict[str, Confidence]
    seen: frozenset[str]
    raised: str | None

    def only(self) -> tuple[set[str], set[str]]:
        """The rules that were only reported, and those that were only seen."""
        return set(self.reported) - self.seen, set(self.seen) - set(self.reported)


def compare(text: str) -> Agreement:
    found = check_source(parse_source(text.encode(), NAME), Options())
    reported: dict[str, Confidence] = {}
    for each in found:
        reported[each.code] = max(each.confidence, reported.get(each.code, each.confidence))
    monitor = Monitor(lambda path: path == NAME)
    raised = None
    with monitor:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                space: dict[str, object] = {}
                exec(compile(text, NAME, "exec"), space)
                space["main"]()  # type: ignore[operator]
                space.clear()
        except RuntimeError as error:
            raised = str(error)
        finally:
            torch.set_grad_enabled(True)
    broken = monitor.observed().broken
    if raised is not None:
        rule = "TML401" if "second time" in raised else "TML202"
        reported = {code: sure for code, sure in reported.items() if code == rule}
        return Agreement(reported, frozenset({rule}), raised)
    in_train = {one.chain for one in broken if one.code == "TML101"}
    seen = {one.code for one in broken if one.code != "TML201" or one.chain not in in_train}
    recording = {one.chain for one in broken if one.code == "TML201"} if "TML201" in reported else set()
    if recording >= {one.chain for one in broken if one.code == "TML403"}:
        seen -= {"TML403"} - set(reported)
    if seen & {"TML303", "TML202"}:
        seen -= {"TML101", "TML201", "TML403"} - set(reported)
    if "TML302" in seen:  # nothing is trained, in whatever mode
        reported.pop("TML102", None)
        seen.discard("TML102")
    return Agreement(reported, frozenset(seen), raised)
