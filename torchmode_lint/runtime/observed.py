"""What a monitored run has shown, as frozen values that can be written as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torchmode_lint.protocol import Gradients, GradMode, Graph, Mode
from torchmode_lint.runtime.places import Chain, Place


@dataclass(frozen=True, slots=True)
class Broken:
    """A broken move: the rule, where (the calls, innermost first), what was seen there, how many times."""

    code: str
    chain: Chain
    what: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class Forwards:
    """The forwards of one module from one place with the same modes.

    `mode` is the module's own, `parts` those of what depends on the mode in it (no flag where nothing does).
    Of `total`, `trained` were reached by a backward, `evaluated` never were, the others are undecided.
    """

    chain: Chain
    module: str
    mode: Mode
    parts: Mode
    grad: GradMode
    graph: bool
    total: int
    trained: int
    evaluated: int


@dataclass(frozen=True, slots=True)
class GradientEvent:
    """A backward, step or zero that found the gradients of an optimizer in these states."""

    event: str
    chain: Chain
    optimizer: str
    states: Gradients
    times: int


@dataclass(frozen=True, slots=True)
class Walk:
    """A backward (from `chain`) that went through graphs of forwards (from `forward`) which it found in this state."""

    chain: Chain
    forward: Chain
    graph: Graph
    times: int


@dataclass(frozen=True, slots=True)
class Observed:
    """A whole run. `ended` says how: "finished", or why not; `steps` counts those of optimizers."""

    broken: tuple[Broken, ...]
    forwards: tuple[Forwards, ...]
    gradients: tuple[GradientEvent, ...]
    walks: tuple[Walk, ...]
    steps: int
    ended: str = "finished"

    def to_json(self) -> dict[str, Any]:
        return {key: _plain(value) for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Observed:
        return cls(
            tuple(Broken(each["code"], _chain(each["chain"]), each["what"], each["times"]) for each in data["broken"]),
            tuple(
                Forwards(
                    _chain(each["chain"]),
                    each["module"],
                    Mode(each["mode"]),
                    Mode(each["parts"]),
                    GradMode(each["grad"]),
                    each["graph"],
                    each["total"],
                    each["trained"],
                    each["evaluated"],
                )
                for each in data["forwards"]
            ),
            tuple(
                GradientEvent(
                    each["event"], _chain(each["chain"]), each["optimizer"], Gradients(each["states"]), each["times"]
                )
                for each in data["gradients"]
            ),
            tuple(
                Walk(_chain(each["chain"]), _chain(each["forward"]), Graph(each["graph"]), each["times"])
                for each in data["walks"]
            ),
            data["steps"],
            data["ended"],
        )


def _chain(places: list[list[Any]]) -> Chain:
    return tuple(Place(*place) for place in places)


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON values
    if isinstance(value, Mode | GradMode | Gradients | Graph):
        return value.value
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
