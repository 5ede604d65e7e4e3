"""Which options hold for a file: those of the call, of the nearest configuration file, of what that one extends.

The nearest folder upwards with a `torchmode-lint.toml`, or with a `pyproject.toml` that has our table, wins alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torchmode_lint.config import ConfigurationError, Options
from torchmode_lint.configuration import reading
from torchmode_lint.configuration.reading import Setting
from torchmode_lint.configuration.table import BY_NAME, OPTIONS
from torchmode_lint.configuration.values import Ignored, Patterns
from torchmode_lint.discovery import Found, by_name, find_files
from torchmode_lint.knowledge import Knowledge
from torchmode_lint.text import shown_path

_FIELDS = ("select", "ignore", "confidence", "project_root", "fail_on")


class Configuration:
    """What is asked for each file. `call` are the options of the call, which win.

    `file` is read for every file in place of the nearest one; `isolated`: none is.
    """

    def __init__(
        self, call: Mapping[str, Setting] | None = None, *, file: Path | None = None, isolated: bool = False
    ) -> None:
        self._call = call or {}
        self._file = file
        self._isolated = isolated
        self._nearest: dict[Path, Path | None] = {}
        self._of_file: dict[Path | None, dict[str, Setting]] = {}
        self._options: dict[Path | None, Options] = {}

    def of(self, path: Path) -> Options:
        """What is asked for the file at `path`. Raises ConfigurationError."""
        at = path.absolute()
        file = self._file_for(at.parent)
        options = self._options.get(file)
        if options is None:
            options = self._options[file] = _options(self._settings(file))
        ignored: tuple[Ignored, ...] = self._value(file, "per-file-ignores", ())
        words = tuple(word for one in ignored if one.patterns.match(at) for word in one.rules)
        return replace(options, ignore=options.ignore + words) if words else options

    def files(self, paths: Iterable[Path]) -> list[Found]:
        """The files that the paths of a call mean. What is wrong with the options of one of them is raised here."""
        found = list(find_files((path for path in paths if not self.leaves_out_even(path)), self.leaves_out))
        for each in found:
            self.of(each.path)
        return found

    def leaves_out(self, path: Path, is_folder: bool) -> bool:
        """Whether a walk leaves out a file, or does not enter a folder."""
        at = path.absolute()
        file = self._file_for(at.parent)
        exclude: tuple[Patterns, ...] | None = self._value(file, "exclude", None)
        more: tuple[Patterns, ...] = self._value(file, "extend-exclude", ())
        if exclude is None and by_name(at, is_folder):
            return True
        return any(one.match(at, is_folder) for one in (*(exclude or ()), *more))

    def leaves_out_even(self, path: Path) -> bool:
        """Whether a path is left out although the call names it."""
        at = path.absolute()
        if not self._value(self._file_for(at.parent), "force-exclude", False):
            return False
        folders = [at, *at.parents][:-1]
        return any(self.leaves_out(one, is_folder=number > 0) for number, one in enumerate(folders))

    def settings(self, path: Path) -> list[tuple[str, Setting]]:
        """Every option, what it is for the file at `path`, and whence."""
        found = self._settings(self._file_for(path.absolute().parent))
        return [(one.name, found.get(one.name) or Setting(None, "default", one.default)) for one in OPTIONS]

    def _value(self, file: Path | None, name: str, default: Any) -> Any:  # noqa: ANN401
        found = self._settings(file).get(name)
        return default if found is None else found.value

    def _settings(self, file: Path | None) -> dict[str, Setting]:
        known = self._of_file.get(file)
        if known is None:
            said = {} if file is None else _with_extended(file, ())
            known = self._of_file[file] = _over(said, self._call)
        return known

    def _file_for(self, folder: Path) -> Path | None:
        if self._isolated or self._file is not None:
            return self._file
        unknown: list[Path] = []
        found: Path | None = None
        for at in (folder, *folder.parents):
            if at in self._nearest:
                found = self._nearest[at]
                break
            unknown.append(at)
            both = (at / reading.OWN, at / reading.PYPROJECT)
            found = next((one for one in both if reading.speaks_of_us(one)), None)
            if found is not None:
                break
        self._nearest.update(dict.fromkeys(unknown, found))
        return found


def _with_extended(file: Path, above: tuple[Path, ...]) -> dict[str, Setting]:
    """What a file sets, over what the file that it extends does."""
    own = reading.read(file)
    extended = own.get("extend")
    if extended is None:
        return own
    base: Path = extended.value
    if base.resolve() in (*above, file.resolve()):
        raise ConfigurationError(f"{extended.origin}: extend: {shown_path(base)} extends itself")
    if not base.is_file():
        raise ConfigurationError(f"{extended.origin}: extend: no such file: {shown_path(base)}")
    return _over(_with_extended(base, (*above, file.resolve())), own)


def _over(base: Mapping[str, Setting], own: Mapping[str, Setting]) -> dict[str, Setting]:
    """The settings of `own`, added to those of `base` or put in their place."""
    result = dict(base)
    for name, setting in own.items():
        below = base.get(name)
        if below is not None and BY_NAME[name].adds:
            texts = f"{below.text} + {setting.text}"
            result[name] = Setting(below.value + setting.value, f"{below.origin}, {setting.origin}", texts)
        else:
            result[name] = setting
    return result


def _options(settings: Mapping[str, Setting]) -> Options:
    values = {name.replace("-", "_"): setting.value for name, setting in settings.items()}
    options = Options(**{name: values[name] for name in _FIELDS if name in values})
    if options.select and "extend_select" in values:
        options = replace(options, select=options.select + values["extend_select"])
    known: Iterable[str] = Knowledge.__dataclass_fields__
    return replace(options, knowledge=Knowledge(**{name: values[name] for name in known if name in values}))
