"""What git says of a revision: the files it has, and those that are others now. Changes nothing in the repository."""

from __future__ import annotations

import functools
import os
import subprocess
from pathlib import Path

from torchmode_lint.config import ConfigurationError

_READ = (".py", ".ipynb")  # what an analysis may read
_LAYOUT = (".gitignore",)  # what else decides on which files there are


class Revision:
    """The state of the repository around `folder` from which what is there now has come.

    That is the last one that a revision and HEAD have in common; the revision itself where they have none, as in a
    shallow clone. Files are named by their paths from `top`. Raises ConfigurationError where git cannot say.
    """

    def __init__(self, revision: str, folder: Path) -> None:
        self._folder = folder
        self._said = ""  # by git, of what it last could not do
        top = self._git("rev-parse", "--show-toplevel")
        if top is None:
            raise ConfigurationError(f"--since needs a git repository: {self._said}")
        self._folder = self.top = Path(os.path.realpath(top.rstrip("\n")))
        commit = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if commit is None:
            raise ConfigurationError(f"--since: git knows no revision {revision!r} here")
        common = self._git("merge-base", commit.strip(), "HEAD")
        self.commit = (common or commit).strip()

    def name(self, path: str) -> str:
        """What git calls the file at a path, which need not be there."""
        folder, last = os.path.split(os.path.abspath(path))
        return Path(os.path.relpath(os.path.join(os.path.realpath(folder), last), self.top)).as_posix()

    @functools.cached_property
    def files(self) -> frozenset[str]:
        """The files that it has and an analysis may read."""
        listed = self._asked("ls-tree", "-r", "-z", "--name-only", "--full-tree", self.commit)
        return frozenset(name for name in listed.split("\0") if name.endswith((*_READ, *_LAYOUT)))

    @functools.cached_property
    def changed(self) -> dict[str, str | None]:
        """The files that an analysis may read and that are others now, or new, or gone; what a renamed one was."""
        options = ("--name-status", "-z", "--find-renames", "--no-relative", "--ignore-submodules")
        words = iter(self._asked("diff", *options, self.commit, "--").split("\0"))
        changed: dict[str, str | None] = {}
        for status in words:
            if status.startswith(("R", "C")):
                before = next(words)
                changed[next(words)] = before
                if status.startswith("R"):
                    changed[before] = None
            elif status:
                changed[next(words)] = None
        untracked = self._asked("ls-files", "-z", "--others", "--exclude-standard", "--full-name")
        changed |= dict.fromkeys(untracked.split("\0"))
        return {name: before for name, before in changed.items() if name.endswith(_READ)}

    def check_out(self, folder: Path) -> None:
        """Puts all its `files` into an empty folder."""
        index = folder / ".git"  # which also says that a repository begins there
        environment = {
            "GIT_INDEX_FILE": str(index / "index"),
            "GIT_WORK_TREE": str(folder),
            "GIT_LFS_SKIP_SMUDGE": "1",  # nothing is fetched from elsewhere
        }
        index.mkdir()
        self._asked("read-tree", self.commit, **environment)
        self._asked("checkout-index", "-z", "--stdin", "--force", given="\0".join(sorted(self.files)), **environment)

    def _asked(self, *words: str, given: str = "", **environment: str) -> str:
        found = self._git(*words, given=given, **environment)
        if found is None:
            raise ConfigurationError(f"--since: git {words[0]}: {self._said}")
        return found

    def _git(self, *words: str, given: str = "", **environment: str) -> str | None:
        """What a git command prints; None where it fails."""
        try:
            done = subprocess.run(
                ["git", *words],
                cwd=self._folder,
                input=os.fsencode(given),
                capture_output=True,
                check=False,
                env={**os.environ, **environment},
            )
        except FileNotFoundError as error:
            raise ConfigurationError("--since needs git, which is not installed") from error
        if done.returncode:
            self._said = os.fsdecode(done.stderr).strip().partition("\n")[0].removeprefix("fatal: ")
            return None
        return os.fsdecode(done.stdout)
