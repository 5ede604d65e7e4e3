"""The public interface for Python programs: what the command says, as values. Import it from `torchmode_lint` itself.

The fields of these values and the arguments of these functions are only ever added to. Nothing is printed, nothing
that is checked is imported or run, and no file is changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from torchmode_lint.config import ConfigurationError
from torchmode_lint.configuration import Configuration, from_call
from torchmode_lint.deep import on_deep_stack
from torchmode_lint.diagnostic import Applicability, Confidence, Diagnostic, Edit, Fix, Note, Severity, Span
from torchmode_lint.engine import FileReport, State, check_bytes
from torchmode_lint.engine import check_paths as reports

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "Applicability",
    "Asked",
    "Confidence",
    "ConfigurationError",
    "Diagnostic",
    "Edit",
    "FileReport",
    "Fix",
    "Note",
    "Severity",
    "Span",
    "State",
    "check_paths",
    "check_source",
]


class Asked(TypedDict, total=False):
    """The options of a configuration file as keywords; what is given wins over the files, as options of the call do.

    `config` is read for every file in place of the nearest one; `isolated`: none is read.
    """

    select: Iterable[str]
    ignore: Iterable[str]
    extend_select: Iterable[str]
    per_file_ignores: Mapping[str, list[str]]
    exclude: Iterable[str]
    extend_exclude: Iterable[str]
    force_exclude: bool
    confidence: str
    fail_on: str
    project_root: str | os.PathLike[str]
    torch_version: str
    module_factories: Iterable[str]
    eval_factories: Iterable[str]
    mode_switchers: Mapping[str, str]
    no_grad_helpers: Iterable[str]
    zero_grad_helpers: Iterable[str]
    config: str | os.PathLike[str]
    isolated: bool


def check_source(text: str | bytes, path: str | os.PathLike[str] = "<string>", **asked: Unpack[Asked]) -> FileReport:
    """Check a text as if it stood in the file at `path`, which need not exist.

    `path` decides which project and which configuration the text belongs to, and whether it is a notebook; imports
    are followed from there. What is wrong with the text is in the `errors` of the report. Raises `ConfigurationError`
    where the options or a configuration file are wrong, `TypeError` for a keyword that is no option.
    """
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    configuration = _configuration(asked)
    return on_deep_stack(lambda: check_bytes(data, Path(path), configuration))


def check_paths(
    paths: Iterable[str | os.PathLike[str]], *, cached: bool = True, **asked: Unpack[Asked]
) -> list[FileReport]:
    """Check files and folders: one report for each file, in the order in which the command has them.

    `cached`: results that earlier runs have kept are used, and those of this one are kept. Everything is done in this
    process. A path that cannot be checked is among the `errors` of its report. Raises as `check_source` does.
    """
    configuration = _configuration(asked)
    found = configuration.files(Path(path) for path in paths)
    return on_deep_stack(lambda: list(reports(found, configuration, cached=cached)))


def _configuration(asked: Asked) -> Configuration:
    given = {**asked}
    file, isolated = given.pop("config", None), bool(given.pop("isolated", False))
    unknown = given.keys() - Asked.__annotations__.keys()
    if unknown:
        raise TypeError(f"no such option: {', '.join(sorted(unknown))}")
    call = {
        name.replace("_", "-"): from_call(name.replace("_", "-"), _plain(value), name) for name, value in given.items()
    }
    return Configuration(call, file=None if file is None else Path(str(file)), isolated=isolated)


def _plain(value: object) -> object:
    """A value as TOML would give it."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        return value
    return list(value)
