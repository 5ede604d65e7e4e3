"""Dropout in a module's forward does not ask for the mode, and drops in eval mode too.

## What it does

Reports dropout that `eval()` cannot switch off, in the `forward` of a module or in what it calls:
`F.dropout(x, p)` without `training=`, a dropout layer that is made and called on the spot, and
`scaled_dot_product_attention` with a `dropout_p` that is not zero in eval mode. It also reports the
opposite: `F.alpha_dropout` and `F.feature_alpha_dropout` without `training=` drop nothing at all.

## Why is this bad

`F.dropout` is a function and knows no module: its `training` is True unless it is told otherwise. A layer
made in `forward` is new each time, and a new module is in train mode. Validation and inference then run on
randomly damaged activations. The figures are worse than the model is, and differ from run to run; nothing
fails, and `eval()` stands where it should.

## Example

    def forward(self, x):
        x = F.relu(self.first(x))
        x = F.dropout(x, p=0.5)
        return self.second(x)

Use instead:

    def forward(self, x):
        x = F.relu(self.first(x))
        x = F.dropout(x, p=0.5, training=self.training)
        return self.second(x)

or make `nn.Dropout(0.5)` in `__init__` and call that. Attention takes a rate only:

    F.scaled_dot_product_attention(q, k, v, dropout_p=self.p if self.training else 0.0)

## Fix safety

Unsafe. `training=self.training`, or a rate that is 0.0 without it, is what most forwards mean, but it changes what
a model computes in eval mode: published figures may have been measured with the dropout, and some models need it,
such as those that sample their uncertainty. A layer made and called on the spot becomes the function of `F`; one
that has a name gets `.train(self.training)`. A plain function that one forward calls is given a parameter `training`;
there is no fix where there are more calls.

## What it does not see

- Dropout that is left on deliberately: `training=True` is taken at its word (`possible`).
- Calls under `if self.training:`, and rates that are zero in eval mode.
- Flags and rates that a caller decides on (`possible` where they might).
- Layers that are made in `forward` and kept, or put into a container before they are called.
- Functions of other files, and forwards that are not in a module's class.
- `F.batch_norm(..., training=True)`: statistics of the batch may be meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from torchmode_lint.analysis.program import Program
from torchmode_lint.diagnostic import Confidence, Diagnostic, Severity
from torchmode_lint.fixes import dropouts
from torchmode_lint.rule import Rule

_MESSAGES = {
    "default": "`{what}` drops in eval mode too: pass `training=self.training`",
    "never": "`{what}` drops nothing unless it is told to: pass `training=self.training`",
    "explicit": "`{what}` is told to drop in eval mode too: pass `training=self.training` unless this is meant",
    "rate": "`{what}` drops in eval mode too: let the rate be 0.0 unless `self.training`",
    "built": "a `{what}` made here is always in train mode: make it in `__init__`, where `eval()` reaches it",
}


def check(program: Program) -> Iterator[Diagnostic]:
    in_tests = PurePosixPath(program.source.path).name.startswith("test_")
    for found in program.unswitched:
        yield program.diagnostic(
            RULE,
            found.event,
            found.context,
            _MESSAGES[found.form].format(what=found.what.rpartition(".")[2]),
            Confidence.POSSIBLE if in_tests else found.confidence,
            [program.note(point, "called in the forward here") for point in found.calls],
            dropouts.ask_for_mode(program, found),
        )


RULE = Rule(code="TML103", name="dropout-ignores-mode", severity=Severity.ERROR, doc=__doc__, check=check)
