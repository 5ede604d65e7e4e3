"""The rules, one a file. `ALL_RULES` is the one list of them."""

from __future__ import annotations

from torchmode_lint.rule import Rule, validate
from torchmode_lint.rules import (
    backward_without_graph,
    dropout_ignores_mode,
    gradients_discarded,
    graph_leak,
    missing_eval,
    missing_no_grad,
    missing_zero_grad,
    mode_not_restored,
    no_effect_statement,
    nonleaf_grad,
    repeated_backward,
    step_without_gradients,
)

ALL_RULES: tuple[Rule, ...] = (
    missing_eval.RULE,
    mode_not_restored.RULE,
    dropout_ignores_mode.RULE,
    missing_no_grad.RULE,
    backward_without_graph.RULE,
    missing_zero_grad.RULE,
    gradients_discarded.RULE,
    step_without_gradients.RULE,
    repeated_backward.RULE,
    nonleaf_grad.RULE,
    graph_leak.RULE,
    no_effect_statement.RULE,
)

validate(ALL_RULES)
