"""How long a check takes beside what cannot be avoided.

    python benchmarks/speed/speed.py NAME=FOLDER... [--rounds 3] [--peers PYTHON]

A FOLDER is a package's folder as its wheel holds it, alone in its own folder; nothing of it is imported. What is
compared is run in turns, and the medians are printed with their ratio:

- *cold*: CPU seconds of a check in one process without a cache, beside `libcst.parse_module` alone on the files that
  pass the screen by their bytes, on those that then pass it by Python's parser, and on all; on all cores, in seconds of
  the clock beside torch-preflight and TorchFix, where PYTHON has them: these are stopped once they have taken ten times
  as long;
- *warm* and *edited*: wall seconds of a second run with a cache, and of one after a statement was added to a file that
  no other names;
- *start*: `--version` beside `python -c pass`, and a script of 300 lines beside `python -c "import libcst"`;
- *flake8*: with the plugin, and by itself, on a file that the screen leaves out and on one that it does not.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path

from growth import MODEL, TRAINING
from measure import in_turns, printed, run

SCRIPTS = Path(sysconfig.get_path("scripts"))
LINT = str(SCRIPTS / "torchmode-lint")
FLAKE8 = ("flake8", "pycodestyle", "pyflakes", "mccabe")
PARSE = """
import sys, time, libcst
from pathlib import Path
from torchmode_lint.screen import Said, said, screened
datas = {path: path.read_bytes() for path in sorted(Path(sys.argv[1]).rglob("*.py"))}
PASSES = {
    "all": lambda data, path: True,
    "bytes": lambda data, path: said(data, path) is not Said.NOTHING,
    "screen": lambda data, path: screened(data, path) is None,
}
datas = [data for path, data in datas.items() if PASSES[sys.argv[2]](data, path)]
start = time.process_time()
for data in datas:
    libcst.parse_module(data)
print(time.process_time() - start)
"""


def main(arguments: list[str]) -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("trees", nargs="*", metavar="NAME=FOLDER")
    ask.add_argument("--rounds", type=int, default=3)
    ask.add_argument("--peers", metavar="PYTHON", help="of an environment with torch-preflight and TorchFix")
    args = ask.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["TORCHMODE_LINT_CACHE_DIR"] = f"{scratch}/kept"
        for name, _, folder in (tree.partition("=") for tree in args.trees):
            tree(name, Path(folder).resolve(), Path(scratch), args.rounds, args.peers)
        start_up(Path(scratch), args.rounds)
        flake8(Path(scratch), args.rounds)
    return 0


def tree(name: str, folder: Path, scratch: Path, rounds: int, peers: str | None) -> None:
    """One package, cold, warm and after an edit, on a copy of it."""
    root = scratch / name
    shutil.copytree(folder, root / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
    paths = sorted((root / folder.name).rglob("*.py"))
    lines = sum(path.read_bytes().count(b"\n") for path in paths)
    print(f"{name}: {len(paths)} files, {lines} lines", flush=True)
    command = [LINT, "check", str(root), "--project-root", str(root), "--isolated", "--output-format", "concise"]
    memory: list[float] = []

    def cold() -> float:
        used = run([*command, "--no-cache", "--jobs", "1"])
        memory.append(used.memory)
        return used.cpu

    runs = {
        "parse, screened by bytes": lambda: printed([sys.executable, "-c", PARSE, str(root), "bytes"]),
        "parse, screened by Python's parser, too": lambda: printed([sys.executable, "-c", PARSE, str(root), "screen"]),
        "parse, all": lambda: printed([sys.executable, "-c", PARSE, str(root), "all"]),
        "cold": cold,
    }
    took = in_turns(runs, rounds)
    print(f"  cold: {took['cold']:.1f} s of CPU, {max(memory):.0f} MB at most")
    for what in (what for what in took if what != "cold"):
        print(f"  {what}: {took[what]:.1f} s, cold is {took['cold'] / took[what]:.2f} times that")
    cores = run(command).wall
    print(f"  cold, all cores: {cores:.1f} s of the clock", flush=True)
    if peers is not None:
        beside(Path(peers).parent, root, cores)
    leaf = named_nowhere(paths)
    took = in_turns({"warm": lambda: run(command).wall, "edited": lambda: edited(leaf, command)}, max(rounds, 3))
    print(
        f"  warm: {took['warm']:.2f} s, after an edit of {leaf.name}: {took['edited']:.2f} s of the clock", flush=True
    )


def beside(scripts: Path, root: Path, ours: float) -> None:
    """What other checkers take, where that is less than ten times ours."""
    for name, command in {
        "torch-preflight": ["torch-preflight", "check", str(root)],
        "TorchFix": ["torchfix", "--select", "ALL", str(root)],
    }.items():
        used = run([str(scripts / command[0]), *command[1:]], limit=10 * ours)
        times = f"{used.wall / ours:.1f} times" if used.ended else "stopped after ten times"
        print(f"  {name}: {times} that", flush=True)


def named_nowhere(paths: list[Path]) -> Path:
    """The largest file whose name no other file says: nothing depends on it."""
    texts = {path: path.read_bytes() for path in paths}
    return next(
        path
        for path in sorted(paths, key=lambda path: -len(texts[path]))
        if not any(path.stem.encode() in text for other, text in texts.items() if other != path)
    )


def edited(path: Path, command: list[str]) -> float:
    path.write_text(path.read_text(encoding="utf-8") + "\nEDITED = True\n", encoding="utf-8")
    return run(command).wall


def start_up(scratch: Path, rounds: int) -> None:
    script = scratch / "script.py"
    script.write_text("import torch\n" + MODEL.format(i=0) + "".join(TRAINING.format(i=i) for i in range(17)))
    python = [sys.executable, "-c"]
    took = in_turns(
        {
            "pass": lambda: run([*python, "pass"]).wall,
            "--version": lambda: run([LINT, "--version"]).wall,
            "import libcst": lambda: run([*python, "import libcst"]).wall,
            "a script": lambda: run([LINT, "check", str(script), "--isolated", "--no-cache"]).wall,
        },
        max(rounds, 5),
    )
    print(f"--version: {1000 * (took['--version'] - took['pass']):.0f} ms more than `python -c pass`")
    lines = script.read_text().count("\n")
    ratio = took["a script"] / took["import libcst"]
    print(f"a script of {lines} lines: {took['a script']:.2f} s, {ratio:.2f} times `import libcst`")


def flake8(scratch: Path, rounds: int) -> None:
    """flake8 where this program is installed, and where flake8 alone is: the same packages, linked into a folder."""
    plain, script = scratch / "plain.py", scratch / "script.py"
    plain.write_text("import os\n\n\ndef main():\n    print(os.getcwd())\n" * 60)
    alone = scratch / "alone"
    alone.mkdir()
    for name in FLAKE8:
        for top in {file.parts[0] for file in importlib.metadata.files(name) or () if file.parts[0] != ".."}:
            if not (alone / top).exists() and top != "__pycache__":
                (alone / top).symlink_to(Path(str(importlib.metadata.distribution(name).locate_file(top))))
    everything = os.pathsep.join(path for path in sys.path if path)
    command = [sys.executable, "-S", "-m", "flake8", "--isolated"]
    took = in_turns(
        {
            f"{'with' if path != str(alone) else 'without'}, {file.name}": lambda file=file, path=path: (
                run([*command, str(file)], {"PYTHONPATH": path}).wall
            )
            for file in (plain, script)
            for path in (everything, str(alone))
        },
        max(rounds, 5),
    )
    for file, what in ((plain, "that is left out"), (script, "that is not")):
        both, without = took[f"with, {file.name}"], took[f"without, {file.name}"]
        print(f"flake8 on a file {what}: {both:.2f} s, {both / without:.2f} times flake8 without the plugin")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
