"""Which forwards are evaluations, and how sure that is: questions that several rules ask of a program.

A forward is trained when its output reaches a backward; it is fed into training when its numbers reach a
loss without their graph (a teacher, a target). What is left is an evaluation, and the surer, the less of
its output goes where the analysis cannot see.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from torchmode_lint.analysis.records import Point, Points
from torchmode_lint.analysis.tracking import root_of
from torchmode_lint.analysis.values import Path, Site
from torchmode_lint.diagnostic import Confidence, Note
from torchmode_lint.protocol import GradMode, Mode
from torchmode_lint.torch_api import FORWARDS

if TYPE_CHECKING:
    from torchmode_lint.analysis.program import Forward, Key, Program
    from torchmode_lint.analysis.values import Context, Identity
    from torchmode_lint.flow.cfg import Block
    from torchmode_lint.flow.events import Event


def groups(program: Program, *, fed_too: bool = False) -> Iterator[list[Forward]]:
    """The observations of each forward of this file that evaluate, by event and context.

    `fed_too`: also those whose numbers enter a loss without their graph.
    """
    by_key: dict[tuple[Key, Identity], list[Forward]] = {}
    training = {f.entered for f in program.forwards if f.entered is not None and f.key in program.trained}
    for forward in program.forwards:
        if forward.entered in training:
            continue  # a part of a module whose method trains other parts in the same call
        if forward.direct and not forward.synthetic and program.concerns(forward.context, forward.module.why):
            by_key.setdefault((forward.key, forward.identity), []).append(forward)
    walked = _walked(program)
    for (key, _), observed in by_key.items():
        if not fed_too and (key in program.fed or (key in program.acted and _collects(program, observed[0]))):
            continue
        if key not in program.kept:
            continue
        if key in program.foreign and isinstance(observed[0].identity, Path):
            continue  # a model that nobody in sight has made, and none of torch's
        # what is computed with gradients off, or in eval mode, is not trained, even where other paths train it
        group = [
            f
            for f in observed
            if grad_is_off(f)
            or key not in program.trained | program.stepped
            or (key in walked and walked[key].is_spared(f) and _seen_whole(f))
        ]
        group.sort(key=_order)
        if group and (any(f.module.chosen for f in group) or not any(f.entered for f in group)):
            yield group


def _order(f: Forward) -> tuple[int, ...]:
    """Observations of one forward come in any order: the first of them is always the same one."""
    module = f.module
    return (f.turn, module.mode.value, f.grad.value, f.inputs_grad.value, module.frozen.value, len(module.why))


def _seen_whole(forward: Forward) -> bool:
    """Whether a forward is not just a method's that nobody in sight calls: a framework may, in either grad mode."""
    parent = root_of(forward.context).code.parent
    return parent is None or parent.kind != "class"


class _Walked(NamedTuple):
    """The graphs of a forward that a backward walks: the modes that the module was in, and for which elements."""

    mode: Mode
    items: frozenset[frozenset[tuple[Block, int]]]

    def is_spared(self, f: Forward) -> bool:
        """Whether an observation is of none of them: it is in eval mode, or for another element of an unrolled loop."""
        switched = f.module.mode is Mode.EVAL and bool(f.module.why) and self.mode is Mode.TRAIN
        return switched or (bool(f.items) and f.items not in self.items)


def _walked(program: Program) -> dict[Key, _Walked]:
    """What is walked of the forwards that are trained, where all of it is known."""
    walked: dict[Key, _Walked] = {}
    for backward in program.backwards:
        for key, traced in backward.graphs:
            known = walked.get(key, _Walked(Mode(0), frozenset()))
            walked[key] = _Walked(known.mode | traced.mode, known.items | traced.items)
    return {key: one for key, one in walked.items() if key not in program.stepped | program.carried}


def place(program: Program, forward: Forward, causes: Points) -> Point:
    """Where an evaluation is to be changed: the forward, or the call that leads to it from where its cause is.

    A helper that training uses as well, or that others call in the right mode, is not the place.
    """
    event, context = forward.event, forward.context
    around = {at for cause in causes for at in cause.context.chain()}
    entered = forward.entered
    if entered is not None and entered not in around and entered.call is not None and entered.parent is not None:
        event, context = entered.call, entered.parent  # a module's own method: whoever calls it sets its mode
    others = {key.context for key in program.trained if key.event is forward.event} | {
        other.context
        for other in program.forwards
        if other.event is forward.event
        and other.context is not forward.context
        and not other.module.mode & forward.module.mode
    }
    others.discard(forward.context)
    if others:
        around |= {at for other in others if other is not context for at in other.chain()}
        while context not in around and context.parent is not None and context.call is not None:
            event, context = context.call, context.parent
    return Point(event, context)


def turning(program: Program, forward: Forward, causes: Points) -> Point:
    """The training forward, or the call that leads to it where the innermost loop around it is in a caller.

    That loop is where the mode is to be restored, at the latest where the cause and the forward come together.
    """
    event, context = forward.event, forward.context
    around = {at for cause in causes for at in cause.context.chain()}
    while loop_around(event, context) is None and context not in around and context.parent is not None and context.call:
        event, context = context.call, context.parent
    in_loop = loop_around(event, context) is not None
    return Point(event, context) if in_loop else Point(forward.event, forward.context)


def loop_around(event: Event, context: Context) -> Block | None:
    """The innermost loop of its own code that an event is in."""
    return next(reversed(_loops_around(event, context)), None)


def _loops_around(event: Event, context: Context) -> tuple[Block, ...]:
    """The loops of its own code that an event is in, outermost first."""
    return next((block.loops for block in context.code.blocks if event in block.events), ())


def _collects(program: Program, forward: Forward) -> bool:
    """Whether the same module is trained in a loop around this forward: on what comes of its actions, as a rule."""
    around = set(loops(forward.event, forward.context))
    return any(
        other.identity == forward.identity
        and other.key in program.trained
        and not around.isdisjoint(loops(other.event, other.context))
        for other in program.forwards
    )


def loops(event: Event, context: Context) -> Iterator[tuple[Context, Block]]:
    """The loops around an event, those of callers included, innermost first."""
    at: Event | None = event
    for within in context.chain():
        if at is not None:
            yield from ((within, loop) for loop in reversed(_loops_around(at, within)))
        at = within.call


def training_of(program: Program, forward: Forward) -> list[Forward]:
    """The forwards by which the same module is trained in what the same root runs."""
    root = root_of(forward.context)
    return [
        other
        for other in program.forwards
        if other.identity == forward.identity and other.key in program.trained and root_of(other.context) is root
    ]


def beside_training(program: Program, forward: Forward) -> bool:
    """Whether the same module is trained in the same turn of the same loop."""
    return any(
        other.identity == forward.identity and other.key in program.trained
        for other in program.forwards
        if other.loop is not None and other.loop is forward.loop and other.context is forward.context
        if other.items == forward.items and (other.key != forward.key or not forward.items)
    )


def has_adversary(program: Program, forward: Forward) -> bool:
    """Whether a module is trained through another one that is also trained without it: the generator of a GAN.

    Its samples are looked at in train mode by convention.
    """
    modules: dict[Key, set[Identity]] = {}  # a call may be of one of several
    for f in program.forwards:
        modules.setdefault(f.key, set()).add(f.identity)
    trained = [set().union(*(modules.get(key, ()) for key, _ in one.graphs)) for one in program.backwards]
    beside = set().union(*(one for one in trained if forward.identity in one)) - {forward.identity}
    return any(beside & one for one in trained if forward.identity not in one)


def doubt(program: Program, group: list[Forward], *, mode_says_so: bool = False) -> Confidence | None:
    """How sure it is that these forwards evaluate; None where nothing should be said.

    `mode_says_so`: the module was put into eval mode, which is evidence of its own.
    """
    key = group[0].key
    cls = group[0].module.cls
    unseen = group[0].by_method and (cls is None or cls.is_open) and group[0].by_method not in FORWARDS
    if unseen or in_unit_test(program, key.context):
        return Confidence.POSSIBLE  # a method of what cannot be seen may do anything: `encode` may be a tokenizer's
    if all(grad_is_off(f) for f in group):
        return Confidence.LIKELY if key in program.returned or key in program.stored else Confidence.CERTAIN
    leaves = key in program.stored or key in program.passed
    if leaves and any(_related(key.context, blind) for blind in program.blind_backwards):
        return None
    if not mode_says_so and any(blind in key.context.chain() for blind in program.blind_backwards):
        return Confidence.POSSIBLE  # what is walked there may have been computed here
    entered = group[0].entered
    if key in program.returned and entered is not None and entered.code.name in ("forward", "__call__"):
        return Confidence.POSSIBLE  # what a module's forward returns may be differentiated by whoever called it
    if key in program.returned or leaves:
        return Confidence.LIKELY if mode_says_so else Confidence.POSSIBLE
    return Confidence.CERTAIN if mode_says_so else Confidence.LIKELY


def _related(one: Context, other: Context) -> bool:
    """Whether one of the two was called from the other, at whatever distance."""
    return one in other.chain() or other in one.chain()


def grad_is_off(forward: Forward) -> bool:
    return forward.grad is GradMode.OFF


def in_unit_test(program: Program, context: Context) -> bool:
    """Whether a `test_*` function of a test file runs this: such code uses any mode on purpose."""
    path = PurePosixPath(program.source_of(context).path)
    if not (path.name.startswith("test_") or path.stem.endswith("_test")):
        return False
    return any(at.code.name.startswith("test_") or at.code.name == "setUp" for at in context.chain())


def ordered(points: Points) -> list[Point]:
    return sorted(points, key=lambda point: point.event.index)


def at(event: Event, context: Context) -> Point:
    return Point(event, context)


def here(program: Program, forward: Forward, message: str) -> Note:
    return program.note(Point(forward.event, forward.context), message)


def spoken(forward: Forward) -> str:
    """The module in words: its class or the name it goes by."""
    if forward.module.cls is not None:
        return f"`{forward.module.cls.name}`"
    identity = forward.identity
    if isinstance(identity, Path) and identity.step.isidentifier():
        return f"`{identity.step}`"
    name = forward.module.name.rpartition(".")[2]
    return f"the `{name}`" if name and isinstance(identity, Site) else "the model"
