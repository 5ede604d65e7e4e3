"""Which files count as the user's own: those of the project, not what is installed and not ourselves."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable
from pathlib import Path

_OURS = str(Path(__file__).resolve().parent.parent)


def files_under(root: Path, *, also: Path | None = None) -> Callable[[str], bool]:
    """A test of file names: under `root`, or `also` itself, but not installed packages inside it."""
    within = str(root.resolve())
    installed = {str(Path(path).resolve()) for path in sysconfig.get_paths().values()}
    named = str(also.resolve()) if also is not None else None

    def own(name: str) -> bool:
        if name.startswith("<"):
            return False
        path = str(Path(name).resolve())
        if path == named:
            return True
        if not _is_under(path, within) or _is_under(path, _OURS):
            return False
        return "site-packages" not in Path(path).parts and not any(
            _is_under(path, place) for place in installed if _is_under(place, within) and place != within
        )

    return own


def _is_under(path: str, folder: str) -> bool:
    return Path(folder) in Path(path).parents
