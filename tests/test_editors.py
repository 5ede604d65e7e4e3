"""The recipe for PyCharm in `docs/editors.md`: its tool is run; in what it prints, places are found as PyCharm does."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from commands import FIXTURES, ROOT, SCRIPTS

# What stands for a macro of an output filter in `com.intellij.execution.filters.RegexpFilter` since 2023: a whole path
# (a letter and a colon, or a slash, first) and numbers.
MACROS = {
    "$FILE_PATH$": r"(?:^|\W)(?P<path>(?:[a-zA-Z]:|/)[-\w ./\\]+)",
    "$LINE$": r"(?P<line>\d+)",
    "$COLUMN$": r"(?P<column>\d+)",
}


def test_pycharm_finds_the_places_that_its_external_tool_prints(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(FIXTURES / "projects" / "scripts_and_utils", folder)
    opened = folder / "train.py"
    fields = recipe("PyCharm")
    words = fields["arguments"].replace("$FilePath$", str(opened)).split()
    where = fields["working directory"].replace("$ProjectFileDir$", str(folder))
    made = subprocess.run([SCRIPTS / fields["program"], *words], cwd=where, capture_output=True, text=True, check=False)
    assert made.stderr == ""
    ours = [line for line in made.stdout.splitlines() if "TML" in line]
    places = [re.search(pattern(fields["advanced: output filters"]), line, re.ASCII) for line in ours]
    assert [place.groupdict() for place in places if place] == [{"path": str(opened), "line": "20", "column": "15"}]


def recipe(editor: str) -> dict[str, str]:
    """The fields of the first table below an editor's heading, without what is said in brackets."""
    text = (ROOT / "docs" / "editors.md").read_text("utf-8").split(f"\n## {editor}\n")[1]
    return dict(re.findall(r"^\| ([^|]+) \| `([^`]+)`", text, re.MULTILINE))


def pattern(output_filter: str) -> str:
    for macro, meaning in MACROS.items():
        output_filter = output_filter.replace(macro, meaning)
    return output_filter
