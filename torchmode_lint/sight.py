"""What the analysis knows where a line begins, as plain values for those who show it beside the line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from torchmode_lint.diagnostic import Span
from torchmode_lint.protocol import Gradients, GradMode, Mode


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known before a line, in one calling context, over all visits: whatever may hold is in it.

    `calls` lead to the code that the line is in, outermost first; none where the analysis started there. Modules and
    optimizers go by the names that this code has for them. Left out are modules without layers that depend on the
    mode, and whatever is unknown on some visit.
    """

    calls: tuple[Span, ...]
    grad: GradMode
    modes: tuple[tuple[str, Mode], ...] = ()
    gradients: tuple[tuple[str, Gradients], ...] = ()


Sights: TypeAlias = "Mapping[Span, tuple[Sight, ...]]"
"""By the beginning of the line, one for each calling context that got there."""
