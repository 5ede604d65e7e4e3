"""What a code object names, and whether that can be of the protocol: screens by words, before any interpretation."""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from torchmode_lint.analysis.classes import Class
from torchmode_lint.analysis.glance import Glance, dotted_names, glance
from torchmode_lint.flow import events as ev
from torchmode_lint.torch_api import effect_of, told_moves
from torchmode_lint.torch_effects import Effect

if TYPE_CHECKING:
    from torchmode_lint.flow.cfg import Code


_MAX_CODES = 200
BUILTINS = frozenset(dir(builtins))


def named_callees(code: Code) -> tuple[tuple[str, ev.Call | None], ...]:
    """Every dotted name that a code object itself mentions; calls with their event."""
    if code.named is None:
        names = dotted_names(code)
        found: list[tuple[str, ev.Call | None]] = []
        for block in code.blocks:
            for event in block.events:
                match event:
                    case ev.Load(dst=dst) | ev.Attribute(dst=dst):
                        found.append((names[dst], None))
                    case ev.Call(func=func):
                        found.append((names.get(func, "?"), event))
        code.named = tuple(found)
    return code.named


def leaves(seen: Glance) -> list[str]:
    """Of the names that are mentioned those that are no part of longer ones, nor only asked about."""
    named = Counter(name for name, is_called in seen.names if not is_called) - seen.asked
    within = {name.rpartition(".")[0] for name in named}
    return [name for name in named if name not in within]


# What moves or shows a state of the protocol: code that names none of these has nothing to report.
ALONE = frozenset(
    "backward eval no_grad inference_mode enable_grad set_grad_enabled zero_grad requires_grad_ autograd "
    "optim Adam AdamW SGD RMSprop Adagrad LBFGS".split()
)
GRAD_MODES = frozenset({"no_grad", "inference_mode", "enable_grad", "set_grad_enabled"})
_NAMESPACES = frozenset({"optim", "jit", "export"})  # nor any of their parts, but these
_ASKING = frozenset({"is_tracing", "is_scripting", "is_exporting", "ignore", "unused", "Final", "annotate"})
MOVES = frozenset({"grad", "step", "train"})  # these where they stand, not where they are called from
COUNTERS = frozenset({"step", "train"})  # which are numbers and data sets, too, unless they are called
_SWITCHES = frozenset({"grad", "requires_grad", "training", "data"})
_ATTRIBUTES = (ALONE | MOVES | {"apply", "training", "detach"}) - {"optim"}


def in_namespace(name: str) -> bool:
    """Whether a dotted name is of a part of torch that the protocol is about."""
    *first, last = name.split(".")
    return bool(first) and last not in _ASKING and not _NAMESPACES.isdisjoint(first)


def moves(code: Code) -> bool:
    """Whether a code object itself names a move of the protocol, or applies something that it was given."""
    alone = ALONE | told_moves()
    for name, is_called in glance(code).names:
        last = name.rpartition(".")[2]
        if last in alone or last in MOVES or in_namespace(name):
            return True
        if is_called and (name.startswith("self.") or name in {p.name for p in code.parameters}):
            return True
    return False


class Outside(Protocol):
    """Who knows what the names of a file mean that other files may define: `Codes`, or `worth` before there are any."""

    def elsewhere(self, code: Code, name: str, *, modules: bool = False) -> Code | None:
        """The function or class of another file that a name means, if that file makes moves of the protocol.

        `modules`: or if it speaks of modules.
        """
        ...

    def may_make_modules(self, code: Code, name: str) -> bool:
        """Whether a name may mean a module or an optimizer, or a class of these; functions are followed."""
        ...


class Names(Protocol):
    """Who knows what a name means: `Codes`."""

    def lookup(self, code: Code, name: str) -> str | Class | Code | None: ...

    def methods(self, code: Code, name: str) -> list[Code]:
        """The methods that `self.name` may mean in a method of a class."""
        ...


_MEANT = frozenset(
    {
        *(Effect.LAYER, Effect.DEPENDENT, Effect.DROPPED, Effect.DROPPING, Effect.RUNNING, Effect.CONTAINER),
        *(Effect.SHARING, Effect.FACTORY, Effect.PRETRAINED, Effect.OPTIMIZER, Effect.LOADER, Effect.LIBRARY),
        *(Effect.GRAD_OFF, Effect.GRAD_ON, Effect.GRAD_FLAG, Effect.PARAMETER, Effect.VARIABLE, Effect.BACKWARD),
        *(Effect.GRADIENT, Effect.FUNCTIONAL, Effect.EXPORT, Effect.TRACE, Effect.STATELESS),
        *(Effect.TO_TRAIN, Effect.TO_EVAL, Effect.ZERO_GRADIENTS),
    }
)
_LEFT = frozenset({"torch.compile"})  # which learns nothing of what it is given


@dataclass(frozen=True, slots=True)
class Plain:
    """What a code object that is nothing of the protocol, with all it may call, does to its arguments.

    `reads` and `writes` are the names of the attributes that it mentions and sets; `events` is its size; `applies`:
    it calls what cannot be seen and is none of its arguments, which may be a module.
    """

    reads: frozenset[str]
    writes: frozenset[str]
    events: int
    applies: bool


@dataclass(frozen=True, slots=True)
class Own:
    """The same of one code object, without those that it may call, which are `callees`."""

    plain: Plain
    callees: tuple[Code, ...]


def plain(code: Code, own: Callable[[Code], Own | None]) -> Plain | None:
    """What a code object does if neither it nor anything it may call names the protocol; None if one does."""
    seen: dict[Code, Plain] = {}
    pending = [code]
    while pending:
        at = pending.pop()
        if at in seen:
            continue
        found = None if len(seen) >= _MAX_CODES else own(at)
        if found is None:
            return None
        seen[at] = found.plain
        pending += found.callees
    if glance(code).yields:
        return None
    writes = frozenset().union(*(one.writes for one in seen.values()))
    if writes & _SWITCHES:
        return None
    reads = frozenset().union(*(one.reads for one in seen.values()))
    events = sum(one.events for one in seen.values())
    return Plain(reads, writes, events, any(one.applies for one in seen.values()))


def own_plain(code: Code, names: Names) -> Own | None:
    """What a code object does by itself, if it names nothing of the protocol; None if it does."""
    alone = ALONE | told_moves()
    reads: set[str] = set()
    applies = copies = holds = False
    callees: dict[Code, None] = {}
    seen = glance(code)
    for name, is_called in seen.names:  # before any is looked up, for which other files may have to be read
        last = name.rpartition(".")[2]
        if _is_move(name, alone) or ("." in name and last in _ATTRIBUTES and (is_called or last not in COUNTERS)):
            return None
        reads.add(last)
    within = {name.rpartition(".")[0] for name, is_called in seen.names if not is_called}
    asked = seen.asked.copy()
    for name, is_called in seen.names:
        if is_called:
            applies = applies or _may_apply(code, name, names)
            continue
        if asked[name]:
            asked[name] -= 1
            continue
        target = names.lookup(code, name)
        if isinstance(target, str):
            effect = effect_of(target)
            if effect in _MEANT and name not in within and target not in _LEFT:  # no mere beginning of another name
                return None
            copies = copies or effect is Effect.COPY
        elif isinstance(target, Class):
            callees[target.code] = None
        elif target is not None:
            callees[target] = None
        elif name.startswith("self.") and "." not in name[5:]:
            callees |= dict.fromkeys(names.methods(code, name[5:]))
        elif name.isidentifier() and name not in seen.bound and name not in BUILTINS:
            holds = True  # an object of the file, maybe a module
    return Own(Plain(frozenset(reads), seen.writes, seen.size, applies or (copies and holds)), tuple(callees))


def _is_move(name: str, alone: Set[str]) -> bool:
    """Whether a dotted name is of a move; what an object calls `optim` need be none, and shows if it is."""
    first, _, last = name.rpartition(".")
    return last in alone and not (last == "optim" and first)


def _may_apply(code: Code, name: str, names: Names) -> bool:
    """Whether what is called may be a module that is not among the arguments: an attribute, a global variable."""
    if name.startswith("self.") and "." not in name[5:]:
        return not names.methods(code, name[5:])
    return (
        name.isidentifier()
        and name not in glance(code).bound
        and name not in BUILTINS
        and names.lookup(code, name) is None
    )
