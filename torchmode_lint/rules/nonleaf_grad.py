"""`.grad` is read of a tensor that keeps none, or an optimizer is given a tensor that is not a leaf.

## What it does

Reports a read of `.grad` on the result of an operation on tensors that require gradients, unless
`retain_grad()` was called on it, and an optimizer that is constructed over such a result. It speaks only
when that is certain.

## Why is this bad

`backward` stores gradients in leaves: tensors made by the user with `requires_grad=True`, and parameters.
For a result in between, `.grad` stays None, with a warning that is easily lost. The code that reads it
fails later on the None, or skips the update and trains nothing. An optimizer refuses such a tensor:
`ValueError: can't optimize a non-leaf Tensor`.

A leaf is easily lost. `w = w - lr * w.grad` puts a result in the place of the leaf, and so does every
`unsqueeze`, `view`, `double()` or `* 0.01` after `requires_grad=True`. `x.to(device)` returns `x` itself
when nothing has to move and a non-leaf when something has, so that a script works on a laptop and fails on
a GPU.

## Example

    noise = torch.randn(4, 8, requires_grad=True) * 0.01
    optimizer = torch.optim.Adam([noise], lr=0.1)

Use instead:

    noise = (torch.randn(4, 8) * 0.01).requires_grad_(True)
    optimizer = torch.optim.Adam([noise], lr=0.1)

Shape, convert and move first; `requires_grad_()` comes last. For the gradient of a result call
`result.retain_grad()` before the backward, or `torch.autograd.grad(loss, result)`. A step by hand keeps
the leaf when it is done in place:

    with torch.no_grad():
        w -= lr * w.grad
    w.grad = None

## Fix safety

Safe where the diagnostic is certain, and the tensor is made in the function that reads its gradient
(`retain_grad()` changes no number) or in one expression with its leaf, which nothing else can refer to
(`requires_grad_()` moves to its end). Unsafe where the tensor comes from another function, which may also run without
gradients, where a leaf may be lost on other machines only, or lines after it was made, and where a step by hand
becomes one in place. A leaf that is expanded is left alone: its elements share memory, so that no optimizer can move
them.

## What it does not see

- Leaves that are lost only on some machines, by `.to(device)` or `.cuda()`.
- Tensors handed in by callers out of sight.
- Reads guarded by `is_leaf` or `retains_grad`.
- Tensors that require no gradient: None is what one expects there.
"""

from __future__ import annotations

from collections.abc import Iterator

from torchmode_lint.analysis.program import GradRead, Program
from torchmode_lint.diagnostic import Confidence, Diagnostic, Severity
from torchmode_lint.fixes import leaves
from torchmode_lint.protocol import Truth
from torchmode_lint.rule import Rule


def check(program: Program) -> Iterator[Diagnostic]:
    for read in program.grad_reads:
        confidence = _confidence(read)
        if confidence is None or not program.here(read.context):
            continue
        if read.optimized:
            message = "the optimizer is given a tensor that is not a leaf, and will refuse it: give it the leaf"
        else:
            message = (
                "`.grad` of a tensor that is not a leaf stays None: call `retain_grad()` on it before the backward, "
                "or read the gradient of the leaf"
            )
        if confidence is Confidence.LIKELY:
            message += " (moving a tensor to another device or type makes a non-leaf)"
        fix = leaves.keep_gradient(program, read, sure=confidence is Confidence.CERTAIN)
        yield program.diagnostic(RULE, read.event, read.context, message, confidence, fix=fix)


def _confidence(read: GradRead) -> Confidence | None:
    t = read.tensor
    if t.retains is not Truth.NO or t.grad is not Truth.YES:
        return None
    if t.leaf is Truth.NO and t.exact:
        return Confidence.CERTAIN
    return Confidence.LIKELY if t.leaf is Truth.MAYBE and t.moved and t.exact else None


RULE = Rule(code="TML402", name="nonleaf-grad", severity=Severity.ERROR, doc=__doc__, check=check)
