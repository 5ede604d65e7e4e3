"""Inlining: the body of a function of the project is interpreted in the state of the call.

Which function that is, is decided in `calls`; how a body is solved, in `interpreter`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import renaming, unknown_calls, visibility
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.values import Bound, Cls, Func, Obj, Path, Tensor, Value
from torchmode_lint.flow.events import Variable
from torchmode_lint.protocol import GradMode

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.analysis.mentions import Plain
    from torchmode_lint.analysis.state import Slot, State
    from torchmode_lint.flow.cfg import Code
    from torchmode_lint.flow.events import Event


SMALL = 12  # events up to which a body is interpreted even where it cannot matter
K = TypeVar("K")


def inline(frame: Frame, event: Event, func: Func, arguments: Arguments, dst: int | None = None) -> Value:
    """Interpret the body of a function in the state of this call."""
    run, code = frame.run, func.code
    if func.owner is not None:
        arguments = Arguments((func.owner, *arguments.positional), arguments.keywords, arguments.rest)
    if not run.may_enter(frame.context, code) or not (run.matters(code) or _may_keep(frame, func, arguments)):
        return unknown_calls.call(frame, event, arguments, made=(event, code))
    context = run.enter(frame.context, event, code)  # type: ignore[arg-type]
    plain = run.plain(code)
    if plain is not None and plain.events > SMALL and not _touched(frame, func, arguments, plain):
        _overwritten(frame, arguments, plain)
        return unknown_calls.call(frame, event, arguments, neutral=True, made=(event, code))
    entry = frame.state.copy()
    entry.outer, entry.loops = frame.state.turn(), {}
    bind(frame, entry, code, arguments)
    if code.is_generator and func.kind == "contextmanager":
        site = frame.fresh(event)
        frame.state.heap[site] = r.Resumable(code, context, tuple(arguments.all()))
        frame.state.saved[site] = (frame.state.grad, frame.state.grad_why)
        for slot, value in entry.env.items():
            if isinstance(slot, Variable) and slot.scope == code.scope:
                frame.state.env[slot] = value
        return v.just(Obj(site))
    was = (entry.grad, entry.grad_why)
    if func.grad:
        entry.grad = {"off": GradMode.OFF, "on": GradMode.ON}.get(func.grad, GradMode.ENTRY)
        entry.grad_why = frozenset({frame.point(event)})
    loops = frame.state.loops
    stash = _hide(frame, entry, code)
    hidden = visibility.hide(entry)
    aside = run.nameless(code)
    activation = run.solve(context, entry) if aside is None else run.solve_aside(context, entry)
    if activation is None:
        assert aside is not None
        _overwritten(frame, arguments, aside)
        return unknown_calls.call(frame, event, arguments, neutral=True, made=(event, code))
    stash = _shown(stash, activation.made)
    frame.regs = _shown(frame.regs, activation.made)
    ways: list[tuple[State, Value]] = []
    for outcome in activation.outcomes:
        state = outcome.state.copy()
        state.loops = dict(loops)
        state.outer = frame.state.outer
        if func.grad:
            state.grad, state.grad_why = was
        _leave_scope(frame, state.env, code)
        state.env.update(stash)
        visibility.show(state, hidden.copy(), activation.made, context)
        _drop_garbage(state, context, outcome.value)
        ways.append((state, outcome.value or v.TOP))
    if not ways:
        frame.dead = True
        return v.EMPTY
    first, value = ways[0]
    for state, other in ways[1:]:
        if dst is None:
            first.join(state)
            value = v.join(value, other)
        else:
            frame.fork(state, dst, other)
    frame.state = first
    if code.is_generator:
        return frame.make(event, r.Sequence(v.one_of(activation.yielded)))
    return value


def _may_keep(frame: Frame, func: Func, arguments: Arguments) -> bool:
    """Whether a method is given a graph to keep in its object, in a file that need not name torch for it: a meter."""
    return func.owner is not None and any(t.may for value in arguments.all() for t in frame.tensors(value))


def _hide(frame: Frame, entry: State, code: Code) -> dict[Slot, Value]:
    """Take out of a callee's state what it cannot see, so that its solution serves more calls."""
    seen = set()
    at: Code | None = code
    while at is not None:
        seen.add(at.scope)
        at = at.parent
    reads = frame.run.reads
    hidden = {
        scope: reads(c.code)
        for c in frame.context.chain()
        if c.code.kind == "file" or c.code.scope not in seen
        for scope in frame.run.own_scopes(c.code)
    }
    stash: dict[Slot, Value] = {}
    for slot, value in entry.env.items():
        if isinstance(slot, Variable):
            read = hidden.get(slot.scope)
            if read is not None and slot.name not in read:
                stash[slot] = value
        elif slot[0] in hidden:
            stash[slot] = value
    for slot in stash:
        del entry.env[slot]
    return stash


def _shown(stash: dict[K, Value], made: set[v.Site]) -> dict[K, Value]:
    """What was hidden from a call, with what the call made anew become older in it."""
    for slot, value in stash.items() if made else ():
        known = renaming.sites_of(value)
        if not known.isdisjoint(made):
            for site in known & made:
                value = renaming.renamed(value, site, renaming.older(site))
            stash[slot] = value
    return stash


def _touched(frame: Frame, func: Func, arguments: Arguments, plain: Plain) -> bool:
    """Whether anything of the protocol is within the reach of a call that names nothing of it."""
    if func.kind or func.grad:
        return True
    seen: dict[v.Identity, None] = {}
    return any(_holds(frame, value, plain, seen) for value in arguments.all())


def _holds(frame: Frame, value: Value, plain: Plain, seen: dict[v.Identity, None]) -> bool:
    """Whether a value holds a module, an optimizer, a graph or code that has to do with them.

    Of an object, only the attributes that the called code mentions count.
    """
    for atom in value:
        match atom:
            case Tensor(may=may) if may:
                return True
            case Obj(identity) if identity not in seen:
                seen[identity] = None
                record = frame.state.heap.get(identity)
                if isinstance(record, (r.Module, r.Optimizer)) or frame.run.knows(identity, "module"):
                    return True
                if isinstance(record, r.Instance):
                    inside = [
                        held
                        for (owner, name), held in frame.state.attrs.items()
                        if name in plain.reads and owner == identity
                    ]
                else:
                    inside = list(frame.inside(identity))
                if any(_holds(frame, held, plain, seen) for held in inside):
                    return True
            case v.Tup(items):
                if any(_holds(frame, item, plain, seen) for item in items):
                    return True
            case Func(code=code, owner=owner):
                if frame.run.plain(code) is None or (owner is not None and _holds(frame, owner, plain, seen)):
                    return True
            case Cls() | Bound():
                return True
    return False


def _overwritten(frame: Frame, arguments: Arguments, plain: Plain) -> None:
    """What a call may have put into attributes of its arguments is not known after it."""
    if not plain.writes:
        return
    for value in arguments.all():
        for atom in value:
            if isinstance(atom, Obj):
                for name in plain.writes:
                    if frame.state.attrs.pop((atom.id, name), None) is not None:
                        frame.state.forget(Path(atom.id, name))


def _leave_scope(frame: Frame, env: dict[Slot, Value], code: Code) -> None:
    """The local names of a call are gone after it, unless an inner function may still read them."""
    own = frame.run.own_scopes(code)
    read = frame.run.reads(code)
    gone = [
        slot
        for slot in env
        if (slot.scope in own and slot.name not in read if isinstance(slot, Variable) else slot[0] == code.scope)
    ]
    for slot in gone:
        del env[slot]


_SCRAP = (r.Sequence, r.Mapping, r.Parameters, r.GradSwitch, r.Loader, r.Library, r.Optimizer)


def _drop_garbage(state: State, context: v.Context, value: Value) -> None:
    """What a call made and nothing holds any more would only make later states differ."""
    made = [
        key
        for key, record in state.heap.items()
        if isinstance(key, v.Site) and key.context is context and isinstance(record, _SCRAP)
    ]
    if not made:
        return
    held = renaming.sites_of(value).union(
        *(renaming.sites_of(one) for one in state.attrs.values()),
        *(renaming.sites_of(one) for one in state.env.values()),
    )
    for record in state.heap.values():
        held |= r.sites_of(record)
    for key in made:
        if key not in held:
            del state.heap[key]
            state.saved.pop(key, None)


def bind(frame: Frame, entry: State, code: Code, arguments: Arguments) -> None:
    """Put the arguments of a call into the parameters of the code."""
    defaults = frame.run.defaults.get(code) or ()
    positional = list(arguments.positional)
    keywords = dict(arguments.keywords)
    unsure = bool(arguments.rest)
    for position, parameter in enumerate(code.parameters):
        variable = Variable(code.scope, parameter.name)
        if parameter.kind == "*":
            entry.env[variable] = frame.make(parameter, r.sequence(positional)) if positional else _rest(arguments)
            _copy_new(frame, entry)
            positional = []
        elif parameter.kind == "**":
            items = tuple(keywords.items())
            entry.env[variable] = frame.make(parameter, r.Mapping(arguments.rest, items))
            _copy_new(frame, entry)
        elif parameter.kind != "keyword" and positional:
            entry.env[variable] = positional.pop(0)
        elif parameter.name in keywords:
            entry.env[variable] = keywords.pop(parameter.name)
        else:
            default = defaults[position] if position < len(defaults) else None
            if default is not None and not unsure:
                entry.env[variable] = default
            else:
                context = frame.context
                entry.env[variable] = v.just(Obj(Path(context, parameter.name))) if not unsure else v.TOP


def _rest(arguments: Arguments) -> Value:
    return arguments.rest or v.just(v.Tup(()))


def _copy_new(frame: Frame, entry: State) -> None:
    """What was just made in the caller's state is there in the callee's, too."""
    for key, record in frame.state.heap.items():
        entry.heap.setdefault(key, record)
