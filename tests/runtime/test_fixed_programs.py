"""What fixes are worth, on live torch: the broken program of an experiment, fixed, gives the good program's figures.

All fixes are made in a copy of the experiments' files, as `--fix --unsafe-fixes` makes them, and the copy is run as
`confirm` runs the experiments. No broken move is seen any more, in the fixed fixtures neither.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from training_programs import Choices, program  # noqa: E402

from commands import FIXTURES, ROOT  # noqa: E402
from markers import Kind, parse_markers  # noqa: E402
from test_fixtures import CODES  # noqa: E402
from test_fixtures_run import call, shapes  # noqa: E402
from test_repair import assert_careful, mutated, parses  # noqa: E402
from torchmode_lint.config import Options  # noqa: E402
from torchmode_lint.engine import on_deep_stack  # noqa: E402
from torchmode_lint.experiments import experiments  # noqa: E402
from torchmode_lint.experiments.experiment import Experiment  # noqa: E402
from torchmode_lint.repair import repaired  # noqa: E402
from torchmode_lint.runtime.monitor import Monitor  # noqa: E402

FIXED = sorted(FIXTURES.glob("*/bad.fixed.py"))
WITHOUT_FIX = {"TML202", "TML303"}  # the program does not say what was meant
RUN = """
import json
from torchmode_lint.runtime.laboratory import outcomes
sides = {one.experiment.code: one.broken for one in outcomes()}
print(json.dumps({code: [side.seen, side.reported, side.figures] for code, side in sides.items()}))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """For each rule what has become of its broken program: whether it is seen and reported, and its figures."""
    root = tmp_path_factory.mktemp("project")
    package = shutil.copytree(
        ROOT / "torchmode_lint", root / "torchmode_lint", ignore=shutil.ignore_patterns("__pycache__")
    )
    for path in sorted((package / "experiments").glob("*.py")):
        options = Options(project_root=root)
        path.write_bytes(on_deep_stack(lambda: repaired(path, path.read_bytes(), options, unsafe=True)).after)  # noqa: B023
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    "experiment", [one for one in experiments() if one.code not in WITHOUT_FIX], ids=lambda e: e.code
)
def test_a_fixed_experiment_gives_the_figures_of_the_good_one(experiment: Experiment, outcomes: dict[str, Any]) -> None:
    seen, reported, figures = outcomes[experiment.code]
    assert not seen and not reported
    for claim in experiment.claims:
        low, high = claim.good
        assert low <= figures[claim.figure] <= high, claim.figure


@cache
def still_broken(path: Path) -> set[int]:
    code = CODES[path.parent.name]
    wrong: set[int] = set()
    for _, function in shapes(path):
        monitor = Monitor(lambda file: file == str(path))
        with monitor, contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Exception):
            call(function)
        wrong |= {one.chain[0].line for one in monitor.observed().broken if one.code == code}
    return wrong


@pytest.mark.parametrize("path", FIXED, ids=lambda path: path.parent.name)
def test_the_monitor_sees_no_broken_move_in_a_fixed_fixture(path: Path) -> None:
    code = CODES[path.parent.name]
    text = path.read_text()
    left = {one.line for one in parse_markers(text) if one.code == code and one.kind is not Kind.FALSE_ALARM}
    shapes_left = [shape for shape in ast.parse(text).body if left & lines_of(shape)]
    assert still_broken(path) - set().union(*map(lines_of, shapes_left)) == set()


def lines_of(node: ast.stmt) -> set[int]:
    return set(range(node.lineno, (node.end_lineno or node.lineno) + 1))


PROGRAMS = 60
# files of torch's that train, take steps or switch modes, and are not too long
OF_TORCH = (
    "nn/utils/_per_sample_grad.py",
    "distributed/optim/apply_optimizer_in_backward.py",
    "_inductor/fx_passes/numeric_utils.py",
    "testing/_internal/distributed/rpc/examples/parameter_server_test.py",
    "testing/_internal/distributed/rpc/examples/reinforcement_learning_rpc_test.py",
    "testing/_internal/distributed/rpc/dist_optimizer_test.py",
    "optim/swa_utils.py",
)


def test_generated_programs_are_fixed_with_care() -> None:
    fixed = 0
    for seed in range(PROGRAMS):
        fixed += len(assert_careful(program(Choices.drawn(random.Random(seed)))).fixed)
    assert fixed >= PROGRAMS / 2


@pytest.mark.parametrize("name", OF_TORCH)
def test_files_of_torch_with_words_dropped_are_fixed_with_care(name: str) -> None:
    text = (Path(torch.__file__).parent / name).read_text("utf-8")
    for seed in range(3):
        changed = mutated(text, seed)
        if parses(changed):
            assert_careful(changed)
