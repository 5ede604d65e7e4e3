"""A backward adds to gradients that a step has already used.

## What it does

Reports a `backward` that reaches parameters whose gradients have been used by a step and not cleared
since, when another step follows. Any way of clearing counts: `optimizer.zero_grad()`,
`module.zero_grad()`, `p.grad = None`, `p.grad.zero_()`, in this function or in one it calls.

## Why is this bad

`backward` adds to `.grad`; it does not replace it. Without clearing, the second step uses the sum of two
gradients, the hundredth the sum of a hundred, most of them computed at weights long gone. It acts like
momentum without decay: the loss falls at first, then oscillates or blows up, and lowering the learning
rate seems to help.

## Example

    for x, y in loader:
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()

Use instead:

    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()

`zero_grad()` outside the loop over the batches is the same bug: gradients then pile up for a whole epoch.
With two optimizers, each has parameters of its own to clear.

Gradients that add up on purpose are no bug as long as they are cleared after the step that uses them:

    for i, (x, y) in enumerate(loader):
        loss = criterion(model(x), y) / accumulate
        loss.backward()
        if (i + 1) % accumulate == 0:
            optimizer.step()
            optimizer.zero_grad()

## Fix safety

There is no automatic fix. Clearing changes the steps that are taken; where it belongs depends on whether
gradients are to be accumulated, and over what.

## What it does not see

- Optimizers and parameters that the analysis cannot connect, such as those of an optimizer handed in by a
  caller out of sight.
- Gradients that are only read and never used in a step.
- Loops in which a framework clears: Lightning, DeepSpeed engines, the transformers `Trainer`.
- Optimizer classes of the project's own whose `step` is not that of torch.
"""
