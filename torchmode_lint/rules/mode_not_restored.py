"""Training goes on in eval mode after an evaluation.

## What it does

Reports a forward pass that is trained (its output reaches a `backward`, and a step follows) while the
module is in eval mode because an evaluation before it called `eval()` and nothing has called `train()`
since. The call may be in another function, and is often many lines away: `train()` before the loop over
the epochs, `eval()` in a validation inside it.

## Why is this bad

The first epoch trains as intended. From the first validation on, dropout is off and batch norm uses its
running statistics and no longer updates them. Nothing fails: the loss still falls, often faster than
before, while the regularisation that was asked for is gone and the statistics stay those of the first
epoch. What is left is an overfitted model and a learning curve with a kink after the first validation.

## Example

    model.train()
    for epoch in range(epochs):
        for x, y in train_loader:
            loss = criterion(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            print(validate(model, val_loader))

Use instead:

    for epoch in range(epochs):
        model.train()
        for x, y in train_loader:
            loss = criterion(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            print(validate(model, val_loader))

A function that evaluates in the middle of an epoch should put back what it found:

    was_training = model.training
    model.eval()
    ...
    model.train(was_training)

Read `training` before `eval()`: afterwards it is always False.

## Fix safety

There is no automatic fix. Whether `train()` belongs at the start of the epoch or at the end of the
evaluation is a decision of the program's, and modules that were in eval mode on purpose must stay there.

## What it does not see

- Training in eval mode that no evaluation has left behind: a frozen backbone, fine-tuning with fixed
  batch statistics, an attack or an input optimised through a finished model. They are meant so.
- Parts of a model in eval mode inside a model in train mode (frozen batch norm).
- Modules known to hold no layer that depends on the mode.
- Functions that are handed a model whose mode no caller in sight has set.
"""
