"""One configuration file: its options, each with the line that it comes from. What is wrong in it is an error."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchmode_lint.config import ConfigurationError
from torchmode_lint.configuration.table import BY_NAME
from torchmode_lint.configuration.values import Wrong, did_you_mean
from torchmode_lint.text import shown_path

PYPROJECT = "pyproject.toml"
OWN = "torchmode-lint.toml"
SECTION = ("tool", "torchmode-lint")
_HEADER = re.compile(r"\s*\[\[?([^\[\]]+)\]")


@dataclass(frozen=True, slots=True)
class Setting:
    """What an option is set to, by what (`path:line`, or an option of the call), and as which text."""

    value: Any
    origin: str
    text: str = ""


def from_call(name: str, given: object, shown: str = "") -> Setting:
    """What an option is set to by the call, as `shown` there; paths are relative to the working directory."""
    value = list(given) if isinstance(given, tuple) else given
    shown = shown or f"--{name}"
    try:
        return Setting(BY_NAME[name].read(value, Path.cwd()), shown, _as_toml(value))
    except Wrong as wrong:
        raise ConfigurationError(f"{shown}: {wrong}") from wrong


def speaks_of_us(path: Path) -> bool:
    """Whether a file that may be there configures this program."""
    if path.name != PYPROJECT:
        return path.is_file()
    try:
        data = path.read_bytes()
    except OSError:
        return False
    # the word is not enough: it may be among the project's dependencies
    return SECTION[1].encode() in data and SECTION[1] in _parsed(path, data).get(SECTION[0], {})


def read(path: Path) -> dict[str, Setting]:
    """What a file sets. Raises ConfigurationError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{shown_path(path)}: {error.strerror or error}") from error
    document = _parsed(path, data)
    table: tuple[str, ...] = ()
    if path.name == PYPROJECT:
        table, document = SECTION, document.get(SECTION[0], {}).get(SECTION[1], {})
    if not isinstance(document, dict):
        raise ConfigurationError(f"{shown_path(path)}: {'.'.join(table)} must be a table")
    lines = data.decode("utf-8").splitlines()
    found: dict[str, Setting] = {}
    for key, value in document.items():
        at = _line_of(lines, table, key)
        option = BY_NAME.get(key)
        if option is None:
            near = did_you_mean(key.replace("_", "-"), BY_NAME)
            raise ConfigurationError(f"{shown_path(path)}:{at}: unknown option {key!r}{near}")
        try:
            setting = Setting(option.read(value, path.parent), f"{shown_path(path)}:{at}", _as_toml(value))
        except Wrong as wrong:
            at = _line_of(lines, table, key, wrong.word)
            raise ConfigurationError(f"{shown_path(path)}:{at}: {key}: {wrong}") from wrong
        found[key] = setting
    return found


def _parsed(path: Path, data: bytes) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        document: dict[str, Any] = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        place = re.search(r"\(at line (\d+), column \d+\)", str(error))
        line = f":{place[1]}" if place else ""
        raise ConfigurationError(f"{shown_path(path)}{line}: not TOML: {error}") from error
    return document


def _line_of(lines: list[str], table: tuple[str, ...], key: str, word: str = "") -> int:
    """The line, from 1, where a key of a table is set, or where a word of its value stands."""
    assignment = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[.=]")
    current: tuple[str, ...] = ()
    at = next((number for number, line in enumerate(lines, 1) if key in line), 1)  # of a way that is not followed
    for number, line in enumerate(lines, 1):
        header = _HEADER.match(line)
        if header is not None:
            current = tuple(part.strip(" \t\"'") for part in header[1].split("."))
        if current == (*table, key) or (current == table and assignment.match(line)):
            at = number
            break
    quoted = re.compile(rf"[\"']{re.escape(word)}[\"']|=\s*{re.escape(word)}\b")
    inside = (number for number, line in enumerate(lines[at - 1 :], at) if word and quoted.search(line))
    return next(inside, at)


def _as_toml(value: object) -> str:
    """A value as a person would write it."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case list():
            return f"[{', '.join(map(_as_toml, value))}]"
        case dict():
            return f"{{ {', '.join(f'{_as_toml(key)} = {_as_toml(one)}' for key, one in value.items())} }}"
        case _:
            return str(value)
