"""An LSTM whose state is carried from window to window with its graph."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - as torch's users write it

from torchmode_lint.experiments.data import digit_loaders, windows
from torchmode_lint.experiments.experiment import Claim, Experiment, Figures
from torchmode_lint.experiments.models import Convolutional, Recurrent

FREED = "backward through the graph a second time"


def carried() -> float:
    """How many windows can be learnt from before torch raises."""
    batches, characters = windows()
    model = Recurrent(characters)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    state, learnt = None, 0.0
    for text, following in batches:
        scores, state = model(text, state)
        loss = F.cross_entropy(scores.reshape(-1, characters), following.reshape(-1))
        optimizer.zero_grad()
        try:
            loss.backward()
        except RuntimeError as error:
            assert FREED in str(error)
            break
        optimizer.step()
        learnt += 1
    return learnt


def two_losses() -> float:
    """Whether torch raises when two losses share a forward."""
    images, labels = next(iter(digit_loaders()[0]))
    scores = Convolutional()(images)
    F.cross_entropy(scores, labels).backward()
    try:
        scores.square().mean().backward()
    except RuntimeError as error:
        return float(FREED in str(error))
    return 0.0


def broken() -> Figures:
    return {"learnt": carried(), "raised": two_losses()}


def good() -> Figures:
    batches, characters = windows()
    model = Recurrent(characters)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    state, losses = None, []
    for text, following in batches:
        scores, state = model(text, state)
        state = tuple(part.detach() for part in state)
        loss = F.cross_entropy(scores.reshape(-1, characters), following.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    images, labels = next(iter(digit_loaders()[0]))
    scores = Convolutional()(images)
    (F.cross_entropy(scores, labels) + scores.square().mean()).backward()
    return {"learnt": float(len(losses)), "raised": 0.0, "loss": losses}


EXPERIMENT = Experiment(
    "TML401",
    "repeated-backward",
    "An LSTM on the text of Python's help whose state is never detached, and two losses of one forward.",
    broken,
    good,
    (
        Claim("learnt", "windows learnt from", (1, 1), (20, 1e6)),
        Claim("raised", "errors raised for two losses", (1, 1), (0, 0)),
    ),
)
