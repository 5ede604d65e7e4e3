"""How long a check takes beside what cannot be avoided, and how its cost grows.

    python benchmarks/speed/speed.py NAME=FOLDER... [--rounds 3]

A FOLDER is a package's folder as its wheel holds it, alone in its own folder; nothing of it is imported. What is
compared is run in turns, and the medians are printed with their ratio:

- *cold*: CPU seconds of a check in one process without a cache, beside `libcst.parse_module` alone on the files that
  pass the screen, and on all;
- *warm* and *edited*: wall seconds of a second run with a cache, and of one after a comment was added to one file;
- *start*: `--version` beside `python -c pass`, and a script of 300 lines beside `python -c "import libcst"`;
- *flake8*: with the plugin and without, on a file that the screen leaves out and on one that it does not;
- *growth*: CPU seconds for longer files, deeper nesting, more callers and more models.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

SCRIPTS = Path(sysconfig.get_path("scripts"))
LINT = str(SCRIPTS / "torchmode-lint")
PARSE = """
import sys, time, libcst
from pathlib import Path
from torchmode_lint.screen import screened
datas = {path: path.read_bytes() for path in sorted(Path(sys.argv[1]).rglob("*.py"))}
datas = [data for path, data in datas.items() if sys.argv[2] == "all" or screened(data, path) is None]
start = time.process_time()
for data in datas:
    libcst.parse_module(data)
print(time.process_time() - start)
"""
MODEL = """
class Net{i}(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2))

    def forward(self, x):
        return self.body(x)

"""
TRAINING = """
def train_{i}(loader, val_loader):
    model = Net0()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(3):
        model.train()
        for x, y in loader:
            loss = torch.nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for x, y in val_loader:
                print((model(x).argmax(1) == y).sum().item())

"""


def main(arguments: list[str]) -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("trees", nargs="*", metavar="NAME=FOLDER")
    ask.add_argument("--rounds", type=int, default=3)
    args = ask.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["TORCHMODE_LINT_CACHE_DIR"] = f"{scratch}/kept"
        for name, _, folder in (tree.partition("=") for tree in args.trees):
            tree(name, Path(folder).resolve(), Path(scratch), args.rounds)
        start_up(Path(scratch), args.rounds)
        growth(Path(scratch))
    return 0


def tree(name: str, folder: Path, scratch: Path, rounds: int) -> None:
    """One package, cold, warm and after an edit, on a copy of it."""
    root = scratch / name
    shutil.copytree(folder, root / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
    paths = sorted((root / folder.name).rglob("*.py"))
    lines = sum(path.read_bytes().count(b"\n") for path in paths)
    print(f"{name}: {len(paths)} files, {lines} lines")
    command = [LINT, "check", str(root), "--project-root", str(root), "--isolated", "--output-format", "concise"]
    alone = {
        "parse, screened": lambda: printed([sys.executable, "-c", PARSE, str(root), "screened"]),
        "parse, all": lambda: printed([sys.executable, "-c", PARSE, str(root), "all"]),
        "cold": lambda: used([*command, "--no-cache", "--jobs", "1"]),
    }
    took = in_turns(alone, rounds)
    for what in ("parse, screened", "parse, all"):
        print(f"  cold {took['cold']:8.1f} s   {what} {took[what]:8.1f} s   {took['cold'] / took[what]:6.2f} times")
    print(f"  peak memory of a process: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MB")
    print(f"  cold, all cores {wall(command):8.1f} s (wall)")
    took = in_turns({"warm": lambda: wall(command), "edited": lambda: edited(paths[-1], command)}, rounds)
    print(f"  warm {took['warm']:8.2f} s   edited {took['edited']:8.2f} s (wall)")


def start_up(scratch: Path, rounds: int) -> None:
    script = scratch / "script.py"
    script.write_text("import torch\n" + MODEL.format(i=0) + "".join(TRAINING.format(i=i) for i in range(17)))
    plain = scratch / "plain.py"
    plain.write_text("import os\n\n\ndef main():\n    print(os.getcwd())\n" * 60)
    python = [sys.executable, "-c"]
    flake8 = [str(SCRIPTS / "flake8"), "--isolated"]
    check = [LINT, "check", str(script), "--isolated", "--no-cache"]
    took = in_turns(
        {
            "pass": lambda: wall([*python, "pass"]),
            "--version": lambda: wall([LINT, "--version"]),
            "import libcst": lambda: wall([*python, "import libcst"]),
            "a script": lambda: wall(check),
            "flake8, left out": lambda: wall([*flake8, str(plain)]),
            "flake8 without, left out": lambda: wall([*flake8, "--disable-noqa", "--select=E,F", str(plain)]),
            "flake8": lambda: wall([*flake8, str(script)]),
        },
        max(rounds, 5),
    )
    print(f"--version: {1000 * (took['--version'] - took['pass']):.0f} ms more than `python -c pass`")
    lines = script.read_text().count("\n")
    ratio = took["a script"] / took["import libcst"]
    print(f"a script of {lines} lines: {took['a script']:.2f} s, {ratio:.2f} times `import libcst`")
    print(f"flake8 with the plugin: {took['flake8, left out']:.2f} s where it is left out, {took['flake8']:.2f} s else")


def growth(scratch: Path) -> None:
    """CPU seconds by size, for four ways to grow; the ratio is that of the cost to that of the size before."""
    ways: dict[str, tuple[Callable[[int], str], tuple[int, ...]]] = {
        "training functions": (lambda n: "".join(TRAINING.format(i=i) for i in range(n)), (10, 100, 1000)),
        "models": (lambda n: "".join(MODEL.format(i=i + 1) for i in range(n)) + TRAINING.format(i=0), (10, 100, 1000)),
        "nested blocks": (nested, (4, 8, 16)),
        "callers of one function": (callers, (10, 100, 1000)),
    }
    for name, (write, sizes) in ways.items():
        path = scratch / "grown.py"
        took = []
        for size in sizes:
            path.write_text("import torch\n" + MODEL.format(i=0) + write(size))
            took.append(used([LINT, "check", str(path), "--isolated", "--no-cache"]))
        shown = "  ".join(f"{size}: {seconds:.2f} s" for size, seconds in zip(sizes, took, strict=True))
        print(f"growth, {name}: {shown}")


def nested(depth: int) -> str:
    heads = [f"if flags[{level}]:\n" if level % 2 else f"for x{level} in loader:\n" for level in range(depth)]
    lines = ["def train(model, optimizer, loader, flags):\n"]
    lines += ["    " * (level + 1) + head for level, head in enumerate(heads)]
    return "".join(lines) + "    " * (depth + 1) + "model(x0).sum().backward()\n"


def callers(count: int) -> str:
    calls = "".join(f"    step(model, loader, {i})\n" for i in range(count))
    return (
        "def step(model, loader, i):\n    model.eval()\n    with torch.no_grad():\n"
        f"        print(i, model(loader))\n\n\ndef main(loader):\n    model = Net0()\n{calls}"
    )


def in_turns(runs: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The median of each, run in turns."""
    took: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            took[name].append(run())
    return {name: statistics.median(times) for name, times in took.items()}


def edited(path: Path, command: list[str]) -> float:
    path.write_text(path.read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")
    return wall(command)


def wall(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, capture_output=True, check=False)
    return time.perf_counter() - start


def used(command: list[str]) -> float:
    """User and system seconds of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def printed(command: list[str]) -> float:
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
