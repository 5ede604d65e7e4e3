"""The abstract interpretation of one source file, with its project around it.

`analyse` is the whole interface: it returns the `Program` that rules read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torchmode_lint.analysis.program import Program

if TYPE_CHECKING:
    from torchmode_lint.analysis.loader import Loader
    from torchmode_lint.source import SourceFile


def analyse(
    source: SourceFile,
    root: Path | None = None,
    loader: Loader | None = None,
    callers: Sequence[Path] = (),
    *,
    watched: bool = False,
) -> Program:
    """Interpret a file: its body, then every function that nothing visible calls.

    Files of one run that pass the same `loader` share what they import. `callers` are looked at as well: other
    files, for what they call in this one. `watched`: the program remembers what is known where each line begins.
    """
    from torchmode_lint.analysis.loader import Loader
    from torchmode_lint.analysis.project import Project
    from torchmode_lint.analysis.roots import run

    return run(source, Loader(Project(root)) if loader is None else loader, callers, watched)
