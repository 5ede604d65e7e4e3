"""Which files a run looks at."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from torchmode_lint.discovery import STDIN, Found, find_files, project_root


def lay(folder: Path, *names: str, **texts: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts.get(path.name.replace(".", "_"), ""))
    return folder


def ignore(folder: Path, *patterns: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("\n".join(patterns) + "\n")


def names(folder: Path, *paths: Path) -> list[str]:
    return [found.path.relative_to(folder).as_posix() for found in find_files(paths or (folder,)) if not found.problem]


def test_a_folder_is_walked_in_a_fixed_order_for_python_files(tmp_path: Path) -> None:
    lay(tmp_path, "b.py", "a.py", "c/d.py", "notes.txt", "c.pyc", "stub.pyi")
    assert names(tmp_path) == ["a.py", "b.py", "c/d.py"]


@pytest.mark.parametrize(
    "name",
    [
        ".hidden/a.py",
        ".venv/lib/a.py",
        "__pycache__/a.py",
        "node_modules/x/a.py",
        "build/lib/a.py",
        "dist/a.py",
        "x.egg-info/a.py",
        "site-packages/a.py",
    ],
)
def test_what_nobody_writes_by_hand_is_left_out(tmp_path: Path, name: str) -> None:
    lay(tmp_path, "kept.py", name)
    assert names(tmp_path) == ["kept.py"]


def test_virtual_environments_are_known_by_what_they_hold(tmp_path: Path) -> None:
    lay(tmp_path, "kept.py", "my-env/pyvenv.cfg", "my-env/a.py", "conda/conda-meta/history", "conda/a.py")
    assert names(tmp_path) == ["kept.py"]


@pytest.mark.parametrize("name", ["build/a.py", ".hidden/a.py", "env/a.py", "ignored.py"])
def test_a_path_named_in_the_call_is_always_found(tmp_path: Path, name: str) -> None:
    lay(tmp_path, name, "env/pyvenv.cfg", ".git/HEAD")
    ignore(tmp_path, "ignored.py", "build/", "env")
    path = tmp_path / name
    assert names(tmp_path, path) == [name]
    if path.parent != tmp_path:
        assert names(tmp_path, path.parent) == [name]


def test_gitignore_decides_as_git_does(tmp_path: Path) -> None:
    """The same files as `git ls-files` names in a tree of nested and negated patterns."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    ignore(tmp_path, "# comment", "*_generated.py", "/top.py", "out/", "data/**", "!data/kept.py", "[a-", "!")
    ignore(tmp_path / "sub", "!keep_generated.py", "local.py", "deep/*.py", "!deep/x.py", "spaced\\ name.py")
    lay(
        tmp_path,
        *("a.py", "a_generated.py", "top.py", "sub/top.py", "out/a.py", "data/a.py", "data/kept.py", "data/b/c.py"),
        *("sub/keep_generated.py", "sub/other_generated.py", "sub/local.py", "local.py", "sub/deep/x.py"),
        *("sub/deep/y.py", "sub/spaced name.py", "sub/out/a.py", "sub/deep/er/y.py"),
    )
    listing = ["git", "-C", str(tmp_path), "ls-files", "--others", "--exclude-standard", "*.py"]
    expected = subprocess.run(listing, check=True, capture_output=True, text=True).stdout.splitlines()
    assert "sub/keep_generated.py" in expected and "data/kept.py" in expected
    assert sorted(names(tmp_path)) == sorted(line.strip('"') for line in expected)


def test_gitignore_files_above_count_up_to_the_repository(tmp_path: Path) -> None:
    ignore(tmp_path, "*.py")  # outside of the repository
    ignore(tmp_path / "repo", "pkg/a.py", "b.py")
    lay(tmp_path / "repo", ".git/HEAD", "pkg/a.py", "pkg/b.py", "pkg/c.py")
    assert names(tmp_path, tmp_path / "repo" / "pkg") == ["repo/pkg/c.py"]


def test_each_file_is_found_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path, "pkg/a.py", "pkg/b.py")
    monkeypatch.chdir(tmp_path)
    found = [each.path.as_posix() for each in find_files([Path("pkg/b.py"), Path("pkg"), Path("./pkg/../pkg/a.py")])]
    assert found == ["pkg/b.py", "pkg/a.py"]


def test_links_to_files_are_followed_and_links_to_folders_are_not(tmp_path: Path) -> None:
    lay(tmp_path, "a.py", "real/b.py")
    (tmp_path / "link.py").symlink_to(tmp_path / "a.py")
    (tmp_path / "round").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "loop.py").symlink_to(tmp_path / "loop.py")
    os.mkfifo(tmp_path / "pipe.py")
    assert names(tmp_path) == ["a.py", "link.py", "loop.py", "real/b.py"]
    assert names(tmp_path, tmp_path / "round") == ["round/a.py", "round/link.py", "round/loop.py", "round/real/b.py"]


def test_a_missing_path_and_standard_input_are_passed_on() -> None:
    assert list(find_files([Path("missing.py"), STDIN])) == [Found(Path("missing.py")), Found(STDIN)]


def test_a_folder_without_python_says_so(tmp_path: Path) -> None:
    lay(tmp_path, "readme.txt")
    (found,) = find_files([tmp_path])
    assert found.path == tmp_path and "no Python file" in str(found.problem)


@pytest.mark.parametrize("mark", ["pyproject.toml", "setup.cfg", "setup.py", ".git"])
def test_the_project_root_is_the_nearest_folder_that_looks_like_one(tmp_path: Path, mark: str) -> None:
    lay(tmp_path, "pyproject.toml", f"inner/{mark}", "inner/pkg/a.py")
    assert project_root(tmp_path / "inner" / "pkg") == tmp_path / "inner"
    assert project_root(tmp_path) == tmp_path
