"""Methods of tensors.

Functions of torch that take tensors are in `library`, operators on them in `operators`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from torchmode_lint import torch_methods as named
from torchmode_lint.analysis import calls, gradients, tracking, unknown_calls
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.values import Func, Obj, Tensor, Value
from torchmode_lint.flow import events as ev
from torchmode_lint.protocol import Truth

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.flow.events import Event


# Methods of dicts and lists that put something into them, none of which a tensor has.
_GROWING = ("update", "append", "extend", "insert", "setdefault")


def method(frame: Frame, event: Event, t: Tensor, name: str, arguments: Arguments) -> Value:
    """A method of a tensor, or of a structure of tensors that something unknown returned."""
    if name == "backward":
        return _backward(frame, event, t, arguments)
    if name == "detach":
        return v.just(replace(v.detached(t), made=event))
    if name == "detach_":
        frame.state.replace_tensor(t, v.detached(t))
        return v.just(v.detached(t))
    if name == "requires_grad_":
        wants = calls.truth_of(arguments.get(0, "requires_grad"), Truth.YES)
        return v.just(set_requires_grad(frame, t, wants))
    if name == "retain_grad":
        frame.state.replace_tensor(t, replace(t, retains=Truth.YES))
        return v.NONE
    if name in named.TENSOR_NUMBER:
        return v.just(Tensor(data=t.data, leaf=Truth.YES, grad=Truth.NO, exact=t.exact))
    if name in named.ZERO_GRADIENT:
        return v.just(replace(v.flat([t]), synthetic=t.synthetic, exact=t.exact))
    if name in named.TENSOR_NO_GRAPH:
        return v.just(replace(v.detached(t), synthetic=t.synthetic))
    if name in named.TENSOR_SAME or name in named.TENSOR_NEUTRAL:
        return v.just(t)
    if name in named.TENSOR_DEVICE:
        return v.just(_moved(t, name, arguments))
    if name in named.TENSOR_IN_PLACE_DATA:
        return v.just(_in_place(frame, event, t, arguments))
    if name in _GROWING:  # no tensor, but a structure that was taken for one
        added = [u for value in arguments.all() for u in frame.tensors(value)]
        frame.state.replace_tensor(t, replace(v.derived([t, *added], exact=False), made=event))
        return v.NONE
    if not t.exact and name in ("items", "values", "keys", "get", "split", "chunk", "unbind"):
        return v.just(v.part(t))
    functions = [a for value in arguments.all() for a in value if isinstance(a, (Func, Obj))]
    if not t.exact and any(
        isinstance(frame.state.heap.get(a.id), r.Optimizer) for a in functions if isinstance(a, Obj)
    ):
        return unknown_calls.call(frame, event, arguments, receiver=v.just(t))
    tracking.combine(frame, event, [t, *(u for value in arguments.all() for u in frame.tensors(value))])
    result = calls.operation(frame, Arguments((v.just(t), *arguments.positional), arguments.keywords, arguments.rest))
    return frozenset(replace(a, made=event) if isinstance(a, Tensor) else a for a in result)


def written_into(frame: Frame, t: Tensor, others: Iterable[Tensor]) -> Tensor:
    """What a tensor is, wherever it is held, once others have been written into it in place."""
    changed = v.derived([t, *others])
    changed = replace(changed, leaf=t.leaf if not changed.may else changed.leaf)
    frame.state.replace_tensor(t, changed)
    return changed


def _in_place(frame: Frame, event: Event, t: Tensor, arguments: Arguments) -> Tensor:
    others = [u for value in arguments.all() for u in frame.tensors(value)]
    if not others:
        return t
    tracking.accumulate(frame, event, v.just(t), v.join_all(arguments.all()))
    for whole in _whole_of(frame, event):
        written_into(frame, whole, others)
    return written_into(frame, t, others)


def _whole_of(frame: Frame, event: Event) -> Iterator[Tensor]:
    """What a method's receiver is an item of, where its text says so: `x[i].add_(y)` writes into `x`."""
    if isinstance(event, ev.Call):
        steps = (e for b in frame.context.code.blocks for e in b.events if isinstance(e, (ev.Attribute, ev.Item)))
        by_register = {step.dst: step for step in steps}
        method = by_register.get(event.func)
        item = by_register.get(method.obj) if isinstance(method, ev.Attribute) else None
        if isinstance(item, ev.Item):
            yield from frame.tensors(frame.get(item.obj))


def _backward(frame: Frame, event: Event, t: Tensor, arguments: Arguments) -> Value:
    gave = arguments.get(1, "retain_graph")
    retain = calls.truth_of(gave, calls.truth_of(arguments.get(2, "create_graph"), Truth.NO))
    old_name = arguments.get(99, "retain_variables")
    if old_name is not None:
        retain = calls.truth_of(old_name, Truth.NO)
    gradients.backward(frame, event, v.just(t), retain, own=True)
    return v.NONE


def _moved(t: Tensor, name: str, arguments: Arguments) -> Tensor:
    """`to` and its kin: the same tensor where nothing changes, else a new one, which is no leaf.

    Whether a move to a device that only runs elsewhere changes anything depends on the machine.
    """
    if t.grad is not Truth.YES or t.leaf is not Truth.YES:
        return t
    if name in ("double", "half"):
        return replace(t, leaf=Truth.NO)
    device = v.constant(arguments.first, None)
    if name == "cuda" or (name == "to" and isinstance(device, str) and device.startswith("cuda")):
        return replace(t, leaf=Truth.MAYBE, moved=True)
    if name == "to" and not (isinstance(device, str)):
        return replace(t, leaf=Truth.MAYBE)
    return t


def set_requires_grad(frame: Frame, t: Tensor, wants: Truth) -> Tensor:
    """`t.requires_grad_(wants)`: on a leaf it makes a leaf that requires grad; on a non-leaf nothing."""
    if t.leaf is Truth.NO:
        return t
    frame.state.asked = True
    new = replace(t, grad=wants, moved=False, asked=wants is not Truth.NO)
    frame.state.replace_tensor(t, new)
    return new
