"""The options that a configuration file may set, as data. `torchmode-lint config` and the documentation print them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchmode_lint.config import FailOn
from torchmode_lint.configuration import values
from torchmode_lint.diagnostic import Confidence


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its name, how a value is read, its default and an example as TOML, and what it is for.

    `adds`: what the file says is added to what the file that it extends says, not put in its place.
    """

    name: str
    read: Callable[[object, Path], Any]
    default: str
    example: str
    doc: str
    adds: bool = False

    @property
    def summary(self) -> str:
        return self.doc.partition(". ")[0].partition(": ")[0].rstrip(".")


OPTIONS: tuple[Option, ...] = (
    Option(
        "extend",
        values.path,
        "none",
        '"../torchmode-lint.toml"',
        "Another configuration file, whose options hold where this one says nothing. Its paths and patterns stay "
        "relative to its own folder. `extend-select`, `extend-exclude`, `per-file-ignores` and the lists of qualified "
        "names of both files add up.",
    ),
    Option(
        "select",
        values.rules,
        "every rule",
        '["TML1", "missing-no-grad"]',
        "Only these rules: codes, prefixes of codes, or names.",
    ),
    Option("ignore", values.rules, "[]", '["TML201"]', "Not these rules; it wins over `select`."),
    Option("extend-select", values.rules, "[]", '["TML403"]', "These rules beside those of `select`.", adds=True),
    Option(
        "per-file-ignores",
        values.ignored_by_pattern,
        "{}",
        '{ "tests/**" = ["TML1", "TML201"] }',
        "Rules that are ignored in some files, by patterns as in `.gitignore`, relative to the folder of this file.",
        adds=True,
    ),
    Option(
        "exclude",
        values.patterns,
        '["__pycache__", "__pypackages__", "node_modules", "site-packages", "build", "_build", "buck-out", "dist"]',
        '["third_party", "*_pb2.py"]',
        "What a walk through folders leaves out: patterns as in `.gitignore`, relative to the folder of this file. "
        "Hidden folders, virtual environments and what `.gitignore` files ignore are always left out.",
    ),
    Option(
        "extend-exclude", values.patterns, "[]", '["notebooks/old"]', "Left out beside what `exclude` says.", adds=True
    ),
    Option(
        "force-exclude",
        values.flag,
        "false",
        "true",
        "Whether paths that are named in the call are left out, too, as pre-commit names them all.",
    ),
    Option(
        "confidence",
        values.choice(Confidence, str),
        '"likely"',
        '"certain"',
        'Report what is at least this sure: "certain", "likely" or "possible".',
    ),
    Option(
        "fail-on",
        values.choice(FailOn, lambda one: str(one.value)),
        '"any"',
        '"error"',
        'Which diagnostics make the exit code 1: "any", those of severity "error", those that are "certain", or '
        '"never", none.',
    ),
    Option(
        "project-root",
        values.directory,
        "the nearest folder with pyproject.toml, setup.cfg, setup.py or .git",
        '"src"',
        "The folder that the project's imports start from.",
    ),
    Option(
        "torch-version",
        values.version,
        "the newest",
        '"2.0"',
        "The oldest torch that the code is to run on: what is a bug depends on it. `@torch.no_grad` without "
        "parentheses is one before 2.1.",
    ),
    Option(
        "module-factories",
        values.names,
        "[]",
        '["mylib.models.build"]',
        "Functions that return a module in train mode, with layers that depend on the mode, as those of "
        "`torchvision.models` do. Qualified names, as they are imported.",
        adds=True,
    ),
    Option(
        "eval-factories",
        values.names,
        "[]",
        '["mylib.hub.load_pretrained"]',
        "Functions that return a module in eval mode, as `from_pretrained` does.",
        adds=True,
    ),
    Option(
        "mode-switchers",
        values.modes_by_name,
        "{}",
        '{ "mylib.evaluating" = "eval", "mylib.unfreeze" = "train" }',
        "Functions that put the module that is their first argument into a mode. Some are context managers: nothing "
        "is said of the mode after their with statement.",
        adds=True,
    ),
    Option(
        "no-grad-helpers",
        values.names,
        "[]",
        '["mylib.inference"]',
        "Context managers and decorators under which no gradients are recorded, as `torch.no_grad`.",
        adds=True,
    ),
    Option(
        "zero-grad-helpers",
        values.names,
        "[]",
        '["mylib.optim.clear"]',
        "Functions that clear the gradients of the optimizers, modules or parameters that they are given; of all, "
        "where they are given none.",
        adds=True,
    ),
)
BY_NAME = {option.name: option for option in OPTIONS}
