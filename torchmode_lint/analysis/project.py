"""The files around the one being checked: which file a module name means, read when first asked for.

Not modelled: `sys.path` changes at run time, namespace packages spread over several roots, and
installed packages, which are described by `torch_api` instead.
"""

from __future__ import annotations

import itertools
import re
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torchmode_lint.analysis.sketch import Sketch
from torchmode_lint.python_parser import python_tree
from torchmode_lint.source import read_source
from torchmode_lint.text import NOT_CODE, SourceError, decode, imported_words
from torchmode_lint.torch_api import told_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from torchmode_lint.source import SourceFile

MAX_FILE_BYTES = 2_000_000
MAX_LOOKED_AT = 40
MAX_FILES = 3_000  # of a project whose files are searched for callers
MAX_CALLERS = 6
MAX_TEXTS = 100  # of files, kept to be searched again
_NOT_ASKED = Path()

_LIBRARIES = (
    r"torch(?:vision|audio|text|metrics|data|rl|_geometric|_xla|_optimizer)?|pytorch_\w+|lightning\w*|accelerate"
    r"|transformers|diffusers|timm|fastai|ignite|deepspeed|apex|monai|kornia|composer|skorch|peft|trl|functorch"
    r"|mmengine|mmcv|mmdet"
)
_IMPORTS_TORCH = re.compile(rf"^[ \t]*(?:import|from)[ \t]+(?:{_LIBRARIES})\b", re.MULTILINE)
_BINDS = (
    r"^[ \t]*(?:(?:async[ \t]+def|def|class)[ \t]+{name}\b|(?:from|import)\b.*\b{name}\b"
    r"|{name}\b[ \t]*(?:[:=,]|$))"
)
_STARS = re.compile(r"^[ \t]*from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]+\*", re.MULTILINE)
_IMPORTS = re.compile(r"^[ \t]*(?:from[ \t]+(\.*)|import[ \t]+)([\w.]*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Mentions:
    """What the text of a file says of its imports: torch or a library on it, and dots and name of each."""

    torch: bool
    imports: tuple[tuple[int, str], ...]
    stars: tuple[tuple[int, str], ...]


class Project:
    """Finds and reads source files by module name, seen from a file inside `root`.

    What was found stays so for as long as the object lives, which is one run. `files` lists all of them.
    """

    def __init__(self, root: Path | None, files: Callable[[], Iterable[Path]] = tuple) -> None:
        self.root = root.resolve() if root is not None else None
        self._list = files
        self._files: list[Path] | None = None
        self._importers: dict[str, list[Path]] = {}  # by the words of their import statements
        self._texts: OrderedDict[Path, str] = OrderedDict()  # the last few that were asked for
        self._found: dict[tuple[Path, str, int], Path | None] = {}
        self._resolved: dict[Path, Path] = {}
        self.sources: dict[Path, SourceFile | None] = {}
        self._mentions: dict[Path, _Mentions] = {}
        self._matches: dict[tuple[Path, Callable[[str], object]], bool] = {}
        self._imports: dict[Path, dict[tuple[str, int], Path | None]] = {}

    def find(self, importer: Path, module: str, level: int) -> Path | None:
        """The file that `module` names in an import statement of `importer`, None if it is not ours."""
        if self.root is None:
            return None
        at = self._resolved.get(importer)
        if at is None:
            at = self._resolved[importer] = importer.resolve()
        key = (at.parent, module, level)
        found = self._found.get(key, _NOT_ASKED)
        if found is _NOT_ASKED or (found == at and not level):
            found = self._search(at, module, level)
            if found != at:
                self._found[key] = found
        self._imports.setdefault(at, {})[module, level] = found
        return found

    def modules_of(self, path: Path) -> Iterator[str]:
        """The names by which absolute imports may mean a file, seen from the folders above it."""
        parts = [path.parent.name if path.stem == "__init__" else path.stem]
        folder = path.parent.parent if path.stem == "__init__" else path.parent
        while True:
            yield ".".join(parts)
            if self.root is None or folder == self.root or self.root not in folder.parents:
                return
            parts.insert(0, folder.name)
            folder = folder.parent

    def behind(self, files: Iterable[Path]) -> tuple[tuple[str, ...], frozenset[str]]:
        """These files and all that their imports have led to; the last parts of the names of modules asked for."""
        behind: dict[Path, None] = {}
        asked: set[str] = set()
        pending = list(files)
        while pending:
            at = pending.pop()
            if at not in behind:
                behind[at] = None
                for (module, _), to in self._imports.get(at, {}).items():
                    asked.add(module.rpartition(".")[2] or at.parent.name)
                    if to is not None:
                        pending.append(to)
        return tuple(map(Path.as_posix, behind)), frozenset(asked)

    def _search(self, importer: Path, module: str, level: int) -> Path | None:
        assert self.root is not None
        parts = tuple(part for part in module.split(".") if part)
        if level:
            base = importer.parent
            for _ in range(level - 1):
                base = base.parent
            return _as_file(base, parts) if base == self.root or self.root in base.parents else None
        for base in self._roots(importer):
            found = _as_file(base, parts)
            if found is not None and found != importer:
                return found
        return None

    def _roots(self, importer: Path) -> list[Path]:
        """Where an absolute import may start: the script's own folder and every folder up to the root."""
        assert self.root is not None
        base = importer.parent
        bases = [base]
        while base != self.root and self.root in base.parents:
            base = base.parent
            bases.append(base)
        return bases + [self.root / extra for extra in ("src", "lib") if (self.root / extra).is_dir()]

    def read(self, path: Path) -> SourceFile | None:
        """The file, or None where it cannot be read; it is parsed and lowered once, as far as is asked for."""
        if path in self.sources:
            return self.sources[path]
        source: SourceFile | None = None
        try:
            if path.stat().st_size <= MAX_FILE_BYTES:
                source = read_source(path)
        except (SourceError, OSError):
            pass
        self.sources[path] = source
        return source

    def sketch(self, path: Path) -> Sketch | None:
        """The file as Python's own parser shows it, or None where it cannot be read."""
        try:
            text = decode(path.read_bytes())[0] if path.stat().st_size <= MAX_FILE_BYTES else ""
        except (SourceError, OSError):
            return None
        tree = python_tree(text)
        if tree is None:
            return None
        found = Sketch(path, text, tree)
        found.forget()
        return found

    def knows_torch(self, path: Path, text: str) -> bool:
        """Whether a file with this text imports torch, a library built on it or one that the configuration speaks of.

        Itself, or through files of the project.
        """
        seen: set[Path] = set()
        words = told_words()
        pending = [(path, _mentions(text))]
        while pending and len(seen) < MAX_LOOKED_AT:
            path, mentions = pending.pop(0)
            if mentions.torch:
                return True
            for level, module in mentions.imports:
                if module.partition(".")[0] in words:
                    return True
                found = self.find(path, module, level)
                if found is not None and found not in seen:
                    seen.add(found)
                    pending.append((found, self._mentions_of(found)))
        return False

    def callers(self, path: Path, names: set[str]) -> list[Path]:
        """The files that import the one at `path`, or its package, and may call one of these names; not unit tests."""
        at = path.resolve()
        calls = re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(names)))})\b").search
        found = (one for one in self._importing(at) if not _tests(one) and self.mentions(one, calls, in_strings=True))
        return list(itertools.islice(found, MAX_CALLERS))

    def importing(self, path: Path) -> tuple[str, ...]:
        """The files with an import statement that may mean the one at `path` or its package; none in a vast project."""
        return tuple(map(Path.as_posix, self._importing(path.resolve())))

    def _importing(self, at: Path) -> list[Path]:
        if self._files is None:
            self._files = [one.resolve() for one in itertools.islice(self._list(), MAX_FILES + 1)]
            self._index()
        named = {one for name in self.names_of(at) for one in self._importers.get(name, ())} - {at}
        return [one for one in self._files if one in named]

    def _index(self) -> None:
        assert self._files is not None
        if len(self._files) > MAX_FILES:
            return
        homes = {name for one in self._files for name in self.names_of(one)}
        for one in self._files:
            for word in imported_words(self._text(one)) & homes if one.suffix == ".py" else ():
                self._importers.setdefault(word, []).append(one)

    def names_of(self, path: Path) -> tuple[str, ...]:
        """The words by which an import statement may mean a file."""
        at = self._resolved.get(path) or self._resolved.setdefault(path, path.resolve())
        return (at.parent.name if at.stem == "__init__" else at.stem, at.parent.name)

    def mentions(self, path: Path, words: Callable[[str], object], *, in_strings: bool = False) -> bool:
        """Whether the code of a file says some words; asked once for each file. `in_strings`: or the rest of it."""
        key = (path, words)
        if key not in self._matches:
            text = self._text(path)
            self._matches[key] = bool(words(text)) and (in_strings or bool(words(NOT_CODE.sub('""', text))))
        return self._matches[key]

    def may_bind(self, path: Path, name: str) -> bool:
        """Whether a star import of a file may bind a name, by the text of the file and of its own star imports."""
        seen: set[Path] = set()
        pending = [path]
        while pending:
            at = pending.pop()
            if at in seen:
                continue
            seen.add(at)
            text = self._text(at)
            if name in text and _offers(text, name):
                return True
            stars = self._mentions_of(at).stars
            pending += [found for level, module in stars if (found := self.find(at, module, level))]
        return False

    def _mentions_of(self, path: Path) -> _Mentions:
        known = self._mentions.get(path)
        if known is None:
            known = self._mentions[path] = _mentions(self._text(path))
        return known

    def _text(self, path: Path) -> str:
        text = self._texts.get(path)
        if text is None:
            try:
                text = path.read_text("utf-8", "replace")
            except OSError:
                text = ""
            self._texts[path] = text
            if len(self._texts) > MAX_TEXTS:
                self._texts.popitem(last=False)
        else:
            self._texts.move_to_end(path)
        return text


def _tests(path: Path) -> bool:
    """Whether a file holds unit tests, which call things in any state on purpose."""
    return (
        path.name.startswith(("test_", "conftest"))
        or path.stem.endswith("_test")
        or path.parent.name in ("test", "tests")
    )


def _offers(text: str, name: str) -> bool:
    """Whether a text that mentions a name lists it in `__all__`, or binds it where there is no such list."""
    if "__all__" in text:
        return f'"{name}"' in text or f"'{name}'" in text
    return re.search(_BINDS.format(name=re.escape(name)), text, re.MULTILINE) is not None


def _mentions(text: str) -> _Mentions:
    imports, stars = (
        tuple((len(dots), module) for dots, module in found.findall(text)) for found in (_IMPORTS, _STARS)
    )
    return _Mentions(_IMPORTS_TORCH.search(text) is not None, imports, stars)


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
