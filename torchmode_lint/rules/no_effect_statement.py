"""A statement names or computes something and drops it, so that nothing changes.

## What it does

Reports three kinds of statement: a method of a module, an optimizer or a loss that is named but not
called (`model.eval`, `optimizer.step`, `loss.backward`); `torch.no_grad()`, `torch.inference_mode()` or
`torch.enable_grad()` standing alone; and `detach()` or `to()` of a tensor whose result is dropped.

## Why is this bad

Python evaluates the line and goes on. `model.eval` without parentheses leaves the model in train mode,
`optimizer.step` leaves the weights as they are. `torch.no_grad()` makes a context manager that nobody
enters. `x.detach()` and `x.to(device)` return a new tensor and leave `x` alone, unlike `module.to(device)`,
which moves the module in place.

## Example

    model.eval
    torch.no_grad()
    for x, y in loader:
        x.to(device)
        print(model(x).argmax(1))

Use instead:

    model.eval()
    with torch.no_grad():
        for x, y in loader:
            x = x.to(device)
            print(model(x).argmax(1))

## Fix safety

Safe for the parentheses, those of a decorator too: the call is what the line says. Unsafe for `x = x.to(device)` and
`x = x.detach()`, since later lines then see another tensor, and for `with torch.no_grad():` around the rest of its
suite, since how far it was to reach is for the author to say. The latter is not offered where something in there is
trained. A function that has nothing but such a statement was meant for its callers: `torch.set_grad_enabled(False)`,
unsafe too.

## What it does not see

- Objects of a type it does not know: `batch.to(device)` of a project's own class may well work in place.
- Other results that are dropped, such as `x.clamp(0, 1)` or `x.float()`.
- Statements that are there for their exception, inside `try` or `assertRaises`, and the last of a notebook's cell,
  whose value is displayed.
- `@torch.no_grad` without parentheses, which torch takes from 2.1 on, unless the option `torch-version` names an
  older one.
"""

from __future__ import annotations

from collections.abc import Iterator

from torchmode_lint.analysis.program import NoEffect, Program
from torchmode_lint.diagnostic import Confidence, Diagnostic, Severity
from torchmode_lint.fixes import statements
from torchmode_lint.rule import Rule

_MESSAGES = {
    "method": "`{what}` is named but not called: add the parentheses",
    "grad mode": "a grad mode is made and dropped, so nothing changes: use it in a `with` statement or as a decorator",
    "bare": "`@{what}` without parentheses needs torch 2.1, and this code is to run on older ones: add them",
    "tensor": "`{what}` returns another tensor and leaves this one alone: use what it returns",
}


def check(program: Program) -> Iterator[Diagnostic]:
    for found in program.no_effects:
        if program.here(found.context) and not _is_displayed(program, found):
            message = _MESSAGES[found.form].format(what=found.what)
            fix = statements.take_effect(program, found)
            yield program.diagnostic(RULE, found.event, found.context, message, Confidence.CERTAIN, fix=fix)


def _is_displayed(program: Program, found: NoEffect) -> bool:
    """Whether a tensor is there to be shown below a cell of a notebook."""
    return found.form == "tensor" and program.source.is_displayed(program.span(found.event, found.context))


RULE = Rule(code="TML501", name="no-effect-statement", severity=Severity.ERROR, doc=__doc__, check=check)
