"""The files around the one being checked: which file a module name means, read when first asked for.

Not modelled: `sys.path` changes at run time, namespace packages spread over several roots, and
installed packages, which are described by `torch_api` instead.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from torchmode_lint.source import SourceError, read_source

if TYPE_CHECKING:
    from torchmode_lint.source import SourceFile

MAX_FILE_BYTES = 2_000_000
MAX_KEPT = 64


class Project:
    """Finds and reads source files by module name, seen from a file inside `root`."""

    def __init__(self, root: Path | None) -> None:
        self.root = root.resolve() if root is not None else None

    def find(self, importer: Path, module: str, level: int) -> Path | None:
        """The file that `module` names in an import statement of `importer`, None if it is not ours."""
        if self.root is None:
            return None
        parts = tuple(part for part in module.split(".") if part)
        if level:
            base = importer.resolve().parent
            for _ in range(level - 1):
                base = base.parent
            return _as_file(base, parts) if base == self.root or self.root in base.parents else None
        for base in self._roots(importer):
            found = _as_file(base, parts)
            if found is not None and found != importer.resolve():
                return found
        return None

    def _roots(self, importer: Path) -> list[Path]:
        """Where an absolute import may start: the script's own folder and every folder up to the root."""
        assert self.root is not None
        base = importer.resolve().parent
        bases = [base]
        while base != self.root and self.root in base.parents:
            base = base.parent
            bases.append(base)
        return bases + [self.root / extra for extra in ("src", "lib") if (self.root / extra).is_dir()]

    def read(self, path: Path) -> SourceFile | None:
        """The file, or None where it cannot be read; each is read once while it stays as it is."""
        try:
            status = path.stat()
        except OSError:
            return None
        return _read(path, status.st_mtime_ns, status.st_size) if status.st_size <= MAX_FILE_BYTES else None


@functools.lru_cache(maxsize=MAX_KEPT)
def _read(path: Path, changed: int, size: int) -> SourceFile | None:
    """Several files of a run import the same ones: the last of them are kept, parsed and lowered."""
    try:
        return read_source(path)
    except SourceError:
        return None


def _as_file(base: Path, parts: tuple[str, ...]) -> Path | None:
    if not parts:
        init = base / "__init__.py"
        return init if init.is_file() else None
    target = base.joinpath(*parts)
    package = target / "__init__.py"
    if package.is_file():
        return package
    single = target.with_name(target.name + ".py")
    return single if single.is_file() else None
