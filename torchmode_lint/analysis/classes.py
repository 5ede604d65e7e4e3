"""Classes of the project: their bases and their methods, also those in other files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from torchmode_lint import torch_api
from torchmode_lint.analysis.values import Imported
from torchmode_lint.protocol import Truth

if TYPE_CHECKING:
    from torchmode_lint.analysis.loader import Loader
    from torchmode_lint.analysis.values import Value
    from torchmode_lint.flow.cfg import Code
    from torchmode_lint.flow.events import Variable


T = TypeVar("T")


def line_of(first: T, bases: Callable[[T], list[T]]) -> Iterator[T]:
    """A class and all that it inherits from, depth first, each once."""
    seen: list[T] = []
    pending = [first]
    while pending:
        one = pending.pop(0)
        if one not in seen:
            seen.append(one)
            yield one
            pending = bases(one) + pending


@dataclass(slots=True, eq=False)
class Class:
    """A class statement that was reached. Two are the same if they are of one class body."""

    code: Code
    stated: tuple[Class | str | Imported, ...] = ()  # the bases as the class statement has them
    loader: Loader | None = None  # knows what imported bases mean
    methods: dict[str, Value] = field(default_factory=dict)
    dependent: Truth | None = None  # computed when first asked for
    without: dict[frozenset[Variable], Truth] = field(default_factory=dict)  # the same where these parameters are zero
    parts: dict[str, Truth] = field(default_factory=dict)  # the same of what its modules hold, by attribute
    trains_itself: bool | None = None  # whether its own code makes moves of training, computed when first asked for

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Class) and self.code is other.code

    def __hash__(self) -> int:
        return hash(self.code)

    @property
    def name(self) -> str:
        return self.code.name

    @property
    def bases(self) -> tuple[Class | str, ...]:
        """Classes of the project, and external qualified names ("" where unknown)."""
        if self.loader is not None:
            self.stated = tuple(self.loader.base(one) if isinstance(one, Imported) else one for one in self.stated)
        return tuple("" if isinstance(one, Imported) or one == self else one for one in self.stated)

    def line(self) -> Iterator[Class]:
        """This class and its project bases, nearest first."""
        return line_of(self, lambda one: [base for base in one.bases if isinstance(base, Class)])

    def external_bases(self) -> Iterator[str]:
        for cls in self.line():
            for base in cls.bases:
                if isinstance(base, str):
                    yield base

    @property
    def is_module(self) -> bool:
        return any(torch_api.is_module_base(base) for base in self.external_bases()) and not self.is_framework

    @property
    def is_framework(self) -> bool:
        """Whether a framework drives this class: it switches modes, grad mode and gradients itself."""
        return any(base.startswith(torch_api.FRAMEWORK_BASES) for base in self.external_bases())

    @property
    def is_framework_module(self) -> bool:
        """Whether it is a module that a framework drives: its mode is switched for it."""
        return any(base.endswith(torch_api.FRAMEWORK_MODULES) for base in self.external_bases())

    @property
    def is_open(self) -> bool:
        """Whether a base class cannot be seen, so that an unknown attribute may be one of its methods."""
        return any(base not in ("builtins.object", "torch.nn.Module", "abc.ABC") for base in self.external_bases())

    def method(self, name: str) -> Value | None:
        for cls in self.line():
            found = cls.methods.get(name)
            if found is not None:
                return found
        return None
