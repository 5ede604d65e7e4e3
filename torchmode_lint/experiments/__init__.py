"""The experiments: for every rule a broken and a good program on real data, and the facts of torch behind the rules.

A file for each rule. `experiments()` imports torch and scikit-learn (the extra `[runtime]`).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torchmode_lint.experiments.experiment import Experiment

RULES = (
    "missing_eval",
    "mode_not_restored",
    "dropout_ignores_mode",
    "missing_no_grad",
    "backward_without_graph",
    "missing_zero_grad",
    "gradients_discarded",
    "step_without_gradients",
    "repeated_backward",
    "nonleaf_grad",
    "graph_leak",
    "no_effect_statement",
)


def experiments() -> tuple[Experiment, ...]:
    """All experiments, in the order of the rules' codes."""
    return tuple(importlib.import_module(f"{__name__}.{name}").EXPERIMENT for name in RULES)
