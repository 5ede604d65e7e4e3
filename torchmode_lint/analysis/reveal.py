"""The abstract state in words, for tests of the analysis: `reveal_state(net)  # revealed: TRAIN|EVAL`.

Without an argument it is the grad mode. A module shows its mode, an optimizer the gradients of its
parameters, a tensor whether it is a leaf and the state of its graphs, a constant itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchmode_lint.analysis import modes
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.program import Reveal
from torchmode_lint.protocol import Truth, members

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Arguments, Frame
    from torchmode_lint.flow.events import Event


def record(frame: Frame, event: Event, arguments: Arguments) -> None:
    """Remember what is known here, in the recording pass."""
    frame.run.show()
    if not frame.run.recording:
        return
    shown: set[str] = set()
    if not arguments.positional:
        shown |= {str(state.name) for state in members(frame.state.grad)}
    for value in arguments.positional:
        for atom in value:
            shown |= _shown(frame, atom)
    frame.run.program.reveals.append(Reveal(event, frame.context, frozenset(shown)))


def _shown(frame: Frame, atom: v.Atom) -> set[str]:
    match atom:
        case v.Const(_, value):
            return {repr(value)}
        case v.Tensor():
            return _tensor(frame, atom)
        case v.Obj(identity):
            known = frame.state.heap.get(identity)
            module = modes.module_of(frame, identity)
            if module is not None:
                return {str(state.name) for state in members(module.mode)}
            if isinstance(known, r.Optimizer):
                return {str(state.name) for state in members(known.grads)}
            return {"UNKNOWN" if known is None else type(known).__name__}
        case _:
            return {type(atom).__name__}


def _tensor(frame: Frame, t: v.Tensor) -> set[str]:
    """LEAF or NONLEAF where that is known, GRAD or NOGRAD, and the states of the graphs that must be there."""
    shown = set()
    if t.leaf is not Truth.MAYBE:
        shown.add("LEAF" if t.leaf is Truth.YES else "NONLEAF")
    if t.grad is not Truth.MAYBE:
        shown.add("GRAD" if t.grad is Truth.YES else "NOGRAD")
    for site in t.must:
        graph = frame.state.graphs.get(site)
        if graph is not None:
            shown |= {str(state.name) for state in members(graph.status)}
    return shown or {"TENSOR"}
