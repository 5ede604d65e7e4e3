"""The Python files and notebooks of one commit of a cloned repository, laid out in a folder."""

from __future__ import annotations

import subprocess
from pathlib import Path


def clone_of(clones: Path, repository: str) -> Path:
    """The git directory of OWNER/NAME in a folder of clones: OWNER+NAME/repo, or OWNER+NAME/repo/.git."""
    folder = clones / repository.replace("/", "+") / "repo"
    return folder / ".git" if (folder / ".git").is_dir() else folder


def lay_out(git: Path, commit: str, into: Path) -> None:
    """Write the sources of a commit below `into`; what a partial clone lacks is left out.

    Raises `subprocess.CalledProcessError` where the clone does not have the commit.
    """
    listing = _git(git, "ls-tree", "-r", "-z", "--full-tree", commit)
    wanted: list[tuple[bytes, str]] = []
    for entry in filter(None, listing.split(b"\0")):
        meta, _, name = entry.partition(b"\t")
        mode, kind, blob = meta.split()[:3]
        path = name.decode("utf-8", "surrogateescape")
        if kind == b"blob" and mode != b"120000" and path.endswith((".py", ".ipynb")):
            wanted.append((blob, path))
    out = _git(git, "cat-file", "--batch", feed=b"".join(blob + b"\n" for blob, _ in wanted))
    start = 0
    for _, path in wanted:
        end = out.index(b"\n", start)
        head = out[start:end].split()
        start = end + 1
        if head[-1] == b"missing":
            continue
        size = int(head[2])
        target = into / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(out[start : start + size])
        start += size + 1


def _git(git: Path, *arguments: str, feed: bytes | None = None) -> bytes:
    return subprocess.run(["git", f"--git-dir={git}", *arguments], input=feed, capture_output=True, check=True).stdout
