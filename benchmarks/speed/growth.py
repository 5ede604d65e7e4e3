"""How the cost of a check grows: CPU seconds by size, for six ways to grow, as a table and as plots.

    python benchmarks/speed/growth.py [--plots docs/growth.svg]

The plots need matplotlib.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from measure import run

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
LINES_OF_TRAINING = TRAINING.count("\n")
Measured = dict[str, list[tuple[int, float]]]


def main(arguments: list[str]) -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--plots", type=Path)
    args = ask.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["TORCHMODE_LINT_CACHE_DIR"] = f"{scratch}/kept"
        measured = growth(Path(scratch))
    if args.plots is not None:
        plot(measured, args.plots)
    return 0


def growth(scratch: Path) -> Measured:
    """CPU seconds by size, printed as they come."""
    ways: dict[str, tuple[Callable[[int], list[str]], tuple[int, ...]]] = {
        "files": (lambda n: [TRAINING.format(i=i) for i in range(n)], (10, 100, 1_000, 10_000)),
        "lines": (lambda n: [trainings(n // LINES_OF_TRAINING)], (1_000, 10_000, 100_000)),
        "models": (lambda n: ["".join(MODEL.format(i=i + 1) for i in range(n)) + trainings(1)], (10, 100, 1_000)),
        "nested blocks": (lambda n: [nested(n)], (4, 8, 16)),
        "callers of one function": (lambda n: [callers(n)], (10, 100, 1_000)),
        "modules in play": (lambda n: [modules(n)], (10, 100, 1_000)),
    }
    measured: Measured = {}
    for name, (write, sizes) in ways.items():
        measured[name] = []
        for size in sizes:
            folder = scratch / "grown"
            folder.mkdir()
            for at, text in enumerate(write(size)):
                (folder / f"f{at}.py").write_text("import torch\n" + MODEL.format(i=0) + text)
            command = [sys.executable, "-m", "torchmode_lint", "check", str(folder), "--isolated", "--no-cache"]
            measured[name].append((size, run([*command, "--jobs", "1"]).cpu))
            shutil.rmtree(folder)
        print(f"{name}: " + "  ".join(f"{size}: {seconds:.2f} s" for size, seconds in measured[name]), flush=True)
    return measured


def trainings(count: int) -> str:
    return "".join(TRAINING.format(i=i) for i in range(count))


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


def modules(count: int) -> str:
    made = "".join(f"    net{i} = Net0()\n    net{i}.eval()\n" for i in range(count))
    used = "".join(f"        print(net{i}(x))\n" for i in range(count))
    return f"def main(x):\n{made}    with torch.no_grad():\n{used}"


def plot(measured: Measured, path: Path) -> None:
    from matplotlib import pyplot

    figure, places = pyplot.subplots(2, 3, figsize=(10, 6), layout="constrained")
    for place, (name, points) in zip(places.flat, measured.items(), strict=True):
        sizes, seconds = zip(*points, strict=True)
        place.loglog(sizes, seconds, "o-", label="measured")
        last = seconds[-1] / sizes[-1]
        place.loglog(sizes, [last * size for size in sizes], ":", color="grey", label="in proportion")
        place.set(title=name, xlabel=name, ylabel="CPU seconds")
    places.flat[0].legend()
    figure.savefig(path, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
