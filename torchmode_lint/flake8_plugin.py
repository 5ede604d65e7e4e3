"""The flake8 plugin `TML`: the command's diagnostics for a file, as flake8's tuples.

flake8 finds it by entry point and decides by its own `--select`, `--ignore` and `# noqa` what to show of what the
command would. The project's configuration holds here, too; options of flake8's configuration win over it. flake8 is
not imported here: what the plugin needs of it comes in as arguments. A file with a syntax error never
gets here, flake8 reports it itself as E999.
"""

from __future__ import annotations

import argparse
import ast
import io
import sys
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from torchmode_lint import __version__

if TYPE_CHECKING:
    from torchmode_lint.configuration import Configuration
    from torchmode_lint.examine import Loaders

WRONG_CONFIGURATION = "TML904"
_STDIN_NAMES = ("-", "stdin")
_LIST = {"comma_separated_list": True, "metavar": "NAMES"}
_OPTIONS: dict[str, dict[str, Any]] = {
    "config": {"normalize_paths": True, "metavar": "FILE", "help": "The configuration file, in place of the nearest"},
    "confidence": {"metavar": "LEVEL", "help": "Report what is at least this sure: certain, likely or possible"},
    "project-root": {
        "normalize_paths": True,
        "metavar": "FOLDER",
        "help": "The folder that the project's imports start from",
    },
    "torch-version": {"metavar": "VERSION", "help": "The oldest torch that the code is to run on"},
    "module-factories": {**_LIST, "help": "Functions that return a module in train mode"},
    "eval-factories": {**_LIST, "help": "Functions that return a module in eval mode"},
    "mode-switchers": {**_LIST, "help": "Functions that switch a module: name=train or name=eval"},
    "no-grad-helpers": {**_LIST, "help": "Context managers and decorators like torch.no_grad"},
    "zero-grad-helpers": {**_LIST, "help": "Functions that clear gradients"},
}


class OptionRegistry(Protocol):
    """The one method of flake8's option manager that is used."""

    def add_option(self, *names: str, **settings: object) -> None: ...


class TorchmodePlugin:
    """One file under flake8; the class itself holds the options of the run."""

    name = "torchmode-lint"
    version = __version__
    configuration: ClassVar[Configuration | None] = None
    loaders: ClassVar[Loaders | None] = None

    def __init__(self, tree: ast.AST, lines: Sequence[str], filename: str) -> None:
        """`tree` is asked for only because flake8 calls plugins of a file's tree once a file."""
        self.lines = lines
        self.filename = filename

    @classmethod
    def add_options(cls, registry: OptionRegistry) -> None:
        for name, settings in _OPTIONS.items():
            registry.add_option(f"--torchmode-{name}", default=None, parse_from_config=True, **settings)
        # flake8 does not tell its plugins of its own `--isolated`
        registry.add_option("--torchmode-isolated", action="store_true", help="Read no configuration of torchmode-lint")

    @classmethod
    def parse_options(cls, options: argparse.Namespace) -> None:
        from torchmode_lint.config import ConfigurationError
        from torchmode_lint.configuration import Configuration, from_call

        given = {name: getattr(options, f"torchmode_{name.replace('-', '_')}") for name in _OPTIONS}
        file = given.pop("config")
        cls.loaders = None
        try:
            call = {
                name: from_call(name, _as_toml(value), f"torchmode-{name}") for name, value in given.items() if value
            }
        except ConfigurationError as error:
            sys.exit(f"flake8: {error}")
        cls.configuration = Configuration(call, file=Path(file) if file else None, isolated=options.torchmode_isolated)

    @classmethod
    def _shared(cls) -> Loaders:
        from torchmode_lint.examine import Loaders

        if cls.loaders is None:
            cls.loaders = Loaders()
        return cls.loaders

    def run(self) -> Iterator[tuple[int, int, str, type[TorchmodePlugin]]]:
        """Line from 1, column from 0, text: what flake8 asks for."""
        from torchmode_lint.config import ConfigurationError
        from torchmode_lint.configuration import Configuration
        from torchmode_lint.deep import on_deep_stack
        from torchmode_lint.engine import check_bytes

        configuration = self.configuration or Configuration()
        data = encoded(self.lines)
        path = Path("<stdin>" if self.filename in _STDIN_NAMES else self.filename)
        try:
            report = on_deep_stack(lambda: check_bytes(data, path, configuration, self._shared, suppress=False))
        except ConfigurationError as error:
            yield 1, 0, f"{WRONG_CONFIGURATION} {error}", type(self)
            return
        for each in (*report.diagnostics, *report.errors):
            yield each.span.line, each.span.column - 1, f"{each.code} {each.message}", type(self)


def _as_toml(value: str | list[str]) -> object:
    """`name=mode` words as a table, as it is in a configuration file of ours."""
    if isinstance(value, list) and any("=" in word for word in value):
        return {name: mode for name, _, mode in (word.partition("=") for word in value)}
    return value


def encoded(lines: Sequence[str]) -> bytes:
    """The bytes that these lines of a file were decoded from, but for the ends of the lines."""
    data = "".join(lines).encode("utf-8", "surrogatepass")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return "".join(lines).encode(encoding)
    except (SyntaxError, UnicodeError):
        return data  # what flake8 read some other way than the file says
