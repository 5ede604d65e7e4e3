"""What a project's configuration says of names that this program does not know: the user's part of `torch_api`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Qualified names by what calling them does, and the oldest torch that the code runs on.

    `mode_switchers` pairs each name with the mode, `train` or `eval`, that its first argument is put into.
    `torch_version` is (major, minor); None stands for the newest.
    """

    module_factories: tuple[str, ...] = ()
    eval_factories: tuple[str, ...] = ()
    mode_switchers: tuple[tuple[str, str], ...] = ()
    no_grad_helpers: tuple[str, ...] = ()
    zero_grad_helpers: tuple[str, ...] = ()
    torch_version: tuple[int, int] | None = None

    def names(self) -> tuple[str, ...]:
        """All names that are told of."""
        switchers = tuple(name for name, _ in self.mode_switchers)
        return (
            *(self.module_factories + self.eval_factories + switchers),
            *(self.no_grad_helpers + self.zero_grad_helpers),
        )


NOTHING = Knowledge()
