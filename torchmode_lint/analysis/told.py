"""What a project's configuration adds to `torch_api`: functions that switch modes or clear gradients, and old versions.

Factories and functions that turn the grad mode off have the effects of torch's own, and are where those are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torchmode_lint.analysis import gradients, modes, parameters
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.program import NoEffect
from torchmode_lint.analysis.values import Obj, Value
from torchmode_lint.protocol import Mode
from torchmode_lint.torch_api import runs_before
from torchmode_lint.torch_effects import Effect

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.flow.events import Event

_WITHOUT_PARENTHESES = (2, 1)  # the first torch that takes `@torch.no_grad`
_NEVER_BARE = "set_grad_enabled"  # which is given a flag


def _switch(mode: Mode) -> Callable[[Frame, Event, str, Arguments], Value]:
    def switch(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
        for atom in arguments.first:
            if isinstance(atom, Obj):
                modes.set_mode(frame, atom.id, mode, event)
        return arguments.first or frame.unknown(event)

    return switch


def _zero(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    given = [atom.id for value in arguments.all() for atom in frame.reach(value) if isinstance(atom, Obj)]
    known = [one for one in given if isinstance(frame.state.heap.get(one), (r.Optimizer, r.Module, r.Parameters))]
    if len(known) < len(given) or not given:
        gradients.zero(frame, event, None)
    for one in known:
        record = frame.state.heap.get(one)
        for owner in record.owners if isinstance(record, r.Parameters) else (one,):
            parameters.zero_owner(frame, event, owner)
    return v.NONE


def bare_decorator(frame: Frame, event: Event, name: str) -> None:
    """`@torch.no_grad` without parentheses is an error on old versions."""
    of_torch = name.startswith("torch.") and not name.endswith(_NEVER_BARE)
    if of_torch and runs_before(_WITHOUT_PARENTHESES):
        frame.run.show()
        if frame.run.recording:
            frame.run.program.no_effects.append(NoEffect(event, frame.context, name, "bare"))


EFFECTS: dict[Effect, Callable[[Frame, Event, str, Arguments], Value]] = {
    Effect.TO_TRAIN: _switch(Mode.TRAIN),
    Effect.TO_EVAL: _switch(Mode.EVAL),
    Effect.ZERO_GRADIENTS: _zero,
}
