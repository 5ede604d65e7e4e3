"""The monitor: while it is on, every relevant event of live torch objects is stepped through the protocol.

Through torch's public hooks where they exist (forwards, optimizer steps, nodes of graphs), and through
replaced functions elsewhere (`backward`, `autograd.grad`, `zero_grad`, `.grad`, dropout), all put back at the end.
It changes no value, holds no tensor and no graph, and draws no random number. One monitor at a time.

Not seen: what other threads and other processes do, and gradients that are written without a backward.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - as torch's users write it
from torch import nn
from torch.nn.modules import module as module_hooks
from torch.optim import optimizer as optimizer_hooks

from torchmode_lint.runtime.forwards import ForwardWatch
from torchmode_lint.runtime.gradients import GradientWatch, parameters_of
from torchmode_lint.runtime.observed import Broken, Observed, Walk
from torchmode_lint.runtime.patches import Patches
from torchmode_lint.runtime.places import Chain, Places

_FREED = "backward through the graph a second time"
_NO_GRAPH = "does not require grad and does not have a grad_fn"
_NOT_LEAF = "can't optimize a non-leaf Tensor"
_DROPS = (
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "alpha_dropout",
    "feature_alpha_dropout",
)
Function = Callable[..., Any]


class StepLimit(BaseException):
    """Raised in the program when the optimizers have made as many steps as were asked for."""


class Monitor:
    """Watches a program from `with Monitor(own) as monitor:` to its end; then `observed` has what was seen.

    `own` tells the user's files by their names, as code objects have them. After `steps` steps of optimizers
    `StepLimit` is raised in the program.
    """

    def __init__(self, own: Callable[[str], bool], steps: int | None = None) -> None:
        self.places = Places(own)
        self.forwards = ForwardWatch(self.places)
        self.gradients = GradientWatch()
        self.steps = 0
        self._limit = steps
        self._raised: Counter[tuple[str, Chain, str]] = Counter()
        self._patches = Patches()
        self._in_backward = False
        self._cleared_at: Chain = ()

    def __enter__(self) -> Monitor:
        patches, forwards = self._patches, self.forwards
        patches.hook(module_hooks.register_module_forward_pre_hook(forwards.before))
        patches.hook(module_hooks.register_module_forward_hook(forwards.after, always_call=True))
        patches.hook(optimizer_hooks.register_optimizer_step_pre_hook(self._before_step))
        patches.hook(optimizer_hooks.register_optimizer_step_post_hook(self._after_step))
        patches.replace(torch.autograd, "backward", self._watch_backward)
        patches.replace(torch.autograd, "grad", self._watch_backward)
        patches.replace(torch.optim.Optimizer, "add_param_group", self._watch_added)
        patches.replace(torch.optim.Optimizer, "zero_grad", self._watch_zero)
        patches.replace(nn.Module, "zero_grad", self._watch_zero)
        patches.replace(torch.Tensor, "grad", self._watch_grad)
        patches.replace(torch.Tensor, "zero_", self._watch_zeroed)
        for name in _DROPS:
            patches.replace(F, name, self._watch_dropout)
        patches.replace(F, "scaled_dot_product_attention", self._watch_attention)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._patches.undo()
        self.forwards.close(complete=kind is None)

    def observed(self, ended: str = "finished") -> Observed:
        """What has been seen; before the end, without the forwards that are undecided yet."""
        raised = [Broken(*key, times) for key, times in self._raised.items()]
        broken = [*raised, *self.gradients.broken_moves(), *self.forwards.broken()]
        return Observed(
            tuple(sorted(_summed(broken), key=lambda one: (one.chain, one.code))),
            self.forwards.summary(),
            self.gradients.summary(),
            tuple(Walk(*key, times) for key, times in self.forwards.walks.items()),
            self.steps,
            ended,
        )

    # graphs

    def _watch_backward(self, original: Function) -> Function:
        signature = inspect.signature(original)

        @functools.wraps(original)
        def watched(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever torch takes and gives
            if self._in_backward:
                return original(*args, **kwargs)
            chain = self.places.here()
            self._notice(chain)
            given = signature.bind(*args, **kwargs).arguments
            walked = self.forwards.walking = []
            self._in_backward = True
            try:
                result = original(*args, **kwargs)
            except RuntimeError as error:
                self._refused(str(error), chain)
                raise
            finally:
                self._in_backward = False
                self.forwards.walking = None
                self.gradients.accumulated(chain)
            self.forwards.close_backward(walked, chain, _retains(given))
            if _walks_bare_leaf(given):
                self._raised["TML202", chain, "the backward starts from a bare leaf"] += 1
            return result

        return watched

    def _refused(self, message: str, chain: Chain) -> None:
        """A backward has raised."""
        if _FREED in message:
            self._raised["TML401", chain, "torch raised: the graph was freed by an earlier backward"] += 1
        elif _NO_GRAPH in message:
            self._raised["TML202", chain, "torch raised: there is no graph to walk"] += 1

    # gradients

    def _watch_added(self, original: Function) -> Function:
        @functools.wraps(original)
        def watched(optimizer: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            try:
                result = original(optimizer, *args, **kwargs)
            except ValueError as error:
                if _NOT_LEAF in str(error):
                    self._raised["TML402", self.places.here(), "torch raised: the optimizer refuses a non-leaf"] += 1
                raise
            self.gradients.add(optimizer)
            return result

        return watched

    def _before_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> Any:  # noqa: ANN401
        chain = self.places.here()
        self._notice(chain)
        owned = {id(parameter) for parameter in parameters_of(optimizer)}
        self.forwards.stepped(owned, owned | self.gradients.known())
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if not callable(closure):
            self.gradients.step(optimizer, chain)
            return None

        def used() -> Any:  # noqa: ANN401 - the closure's loss
            loss = closure()
            self._notice(chain)
            self.gradients.step(optimizer, chain)
            return loss

        if "closure" in kwargs:
            return args, {**kwargs, "closure": used}
        return (args[0], used, *args[2:]), kwargs

    def _after_step(self, optimizer: torch.optim.Optimizer, args: object, kwargs: object) -> None:
        self.gradients.after_step(optimizer)
        self.steps += 1
        if self._limit is not None and self.steps >= self._limit:
            raise StepLimit

    def _watch_zero(self, original: Function) -> Function:
        @functools.wraps(original)
        def watched(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            chain = self.places.here()
            self._notice(chain)
            result = original(*args, **kwargs)
            self._cleared_at = chain
            self._notice(chain)
            return result

        return watched

    def _notice(self, chain: Chain) -> None:
        """See what has become of the gradients since the last event: here, or where something was cleared by hand."""
        self.forwards.cleared(self.gradients.notice_changes(self._cleared_at or chain))
        self._cleared_at = ()

    def _watch_zeroed(self, original: Function) -> Function:
        @functools.wraps(original)
        def watched(tensor: torch.Tensor) -> torch.Tensor:
            if tensor.is_leaf:  # perhaps a gradient; a module's initial values come here, too
                self._cleared_at = self.places.here()
            return original(tensor)

        return watched

    def _watch_grad(self, original: Any) -> property:  # noqa: ANN401 - torch's own property
        read, write, delete = original.__get__, original.__set__, original.__delete__

        def get(tensor: torch.Tensor) -> torch.Tensor | None:
            if not tensor.is_leaf and not tensor.retains_grad and tensor.requires_grad:
                chain = self.places.here()
                if chain and sys._getframe(1).f_code.co_filename == chain[0].path:
                    self._raised["TML402", chain, "`.grad` of a non-leaf, which is None"] += 1
            return read(tensor)

        def put(tensor: torch.Tensor, value: torch.Tensor | None) -> None:
            if value is None and self.places.is_own(sys._getframe(1).f_code.co_filename):
                self._cleared_at = self.places.here()
            write(tensor, value)

        return property(get, put, delete, doc=original.__doc__)

    # modes

    def _watch_dropout(self, original: Function) -> Function:
        signature = inspect.signature(original)
        rate, training = signature.parameters["p"].default, signature.parameters["training"].default

        @functools.wraps(original)
        def watched(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            told = "training" in kwargs or len(args) > 2
            flag = kwargs.get("training", args[2] if len(args) > 2 else training)
            self.forwards.dropout(bool(flag), kwargs.get("p", args[1] if len(args) > 1 else rate), told)
            return original(*args, **kwargs)

        return watched

    def _watch_attention(self, original: Function) -> Function:
        @functools.wraps(original)
        def watched(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            self.forwards.dropout(True, kwargs.get("dropout_p", args[4] if len(args) > 4 else 0.0), True)
            return original(*args, **kwargs)

        return watched


def _retains(given: dict[str, Any]) -> bool:
    retain = given.get("retain_graph")
    return bool(given.get("create_graph")) if retain is None else bool(retain)


def _walks_bare_leaf(given: dict[str, Any]) -> bool:
    """Whether all that a backward starts from are leaves; `autograd.grad` asks for outputs and is left alone."""
    roots = given.get("tensors")
    tensors = [roots] if isinstance(roots, torch.Tensor) else list(roots or ())
    return bool(tensors) and all(isinstance(one, torch.Tensor) and one.is_leaf for one in tensors)


def _summed(broken: list[Broken]) -> list[Broken]:
    counts: Counter[tuple[str, Chain, str]] = Counter()
    for one in broken:
        counts[one.code, one.chain, one.what] += one.times
    return [Broken(*key, times) for key, times in counts.items() if key[1]]
