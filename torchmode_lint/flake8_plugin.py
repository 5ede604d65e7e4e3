"""The flake8 plugin `TML`: the command's diagnostics for a file, as flake8's tuples.

flake8 finds it by entry point and decides by its own `--select`, `--ignore` and `# noqa` what to show. It
is not imported here: what the plugin needs of it comes in as arguments. A file with a syntax error never
gets here, flake8 reports it itself as E999.
"""

from __future__ import annotations

import argparse
import ast
import io
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from torchmode_lint import __version__
from torchmode_lint.config import Options
from torchmode_lint.diagnostic import Confidence

if TYPE_CHECKING:
    from torchmode_lint.examine import Loaders

_STDIN_NAMES = ("-", "stdin")


class OptionRegistry(Protocol):
    """The one method of flake8's option manager that is used."""

    def add_option(self, *names: str, **settings: object) -> None: ...


class TorchmodePlugin:
    """One file under flake8; the class itself holds the options of the run."""

    name = "torchmode-lint"
    version = __version__
    options: ClassVar[Options] = Options()
    loaders: ClassVar[Loaders | None] = None

    def __init__(self, tree: ast.AST, lines: Sequence[str], filename: str) -> None:
        """`tree` is asked for only because flake8 calls plugins of a file's tree once a file."""
        self.lines = lines
        self.filename = filename

    @classmethod
    def add_options(cls, registry: OptionRegistry) -> None:
        registry.add_option(
            "--torchmode-confidence",
            choices=[str(each) for each in Confidence],
            default=str(Options().confidence),
            parse_from_config=True,
            help="Report what is at least this sure (default: %(default)s)",
        )
        registry.add_option(
            "--torchmode-project-root",
            metavar="FOLDER",
            default=None,
            parse_from_config=True,
            normalize_paths=True,
            help="The folder that the project's imports start from",
        )

    @classmethod
    def parse_options(cls, options: argparse.Namespace) -> None:
        root = options.torchmode_project_root
        cls.loaders = None
        cls.options = Options(
            confidence=Confidence[options.torchmode_confidence.upper()],
            project_root=Path(root).absolute() if root else None,
        )

    def run(self) -> Iterator[tuple[int, int, str, type[TorchmodePlugin]]]:
        """Line from 1, column from 0, text: what flake8 asks for."""
        from torchmode_lint.deep import on_deep_stack
        from torchmode_lint.engine import check_bytes
        from torchmode_lint.examine import Loaders

        if TorchmodePlugin.loaders is None:
            TorchmodePlugin.loaders = Loaders()
        loaders = TorchmodePlugin.loaders

        data = encoded(self.lines)
        path = Path("<stdin>" if self.filename in _STDIN_NAMES else self.filename)
        report = on_deep_stack(lambda: check_bytes(data, path, self.options, loaders, suppress=False))
        for each in (*report.diagnostics, *report.errors):
            yield each.span.line, each.span.column - 1, f"{each.code} {each.message}", type(self)


def encoded(lines: Sequence[str]) -> bytes:
    """The bytes that these lines of a file were decoded from, but for the ends of the lines."""
    data = "".join(lines).encode("utf-8", "surrogatepass")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return "".join(lines).encode(encoding)
    except (SyntaxError, UnicodeError):
        return data  # what flake8 read some other way than the file says
