"""What all fixes make of a fixture: `python tests/fixed.py` writes each `bad.fixed.py`.

The markers of what is repaired go; the others stay, since what they say is reported as before.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from commands import FIXTURES
from torchmode_lint.config import Options
from torchmode_lint.engine import check_bytes, on_deep_stack
from torchmode_lint.repair import Repair, repaired

OPTIONS = Options()
_ERROR = re.compile(r"\s*# error: (TML\d{3})(?: \"[^\"]+\")?$")


def repair(path: Path) -> Repair:
    """All fixes of a file, the unsafe ones too."""
    return on_deep_stack(lambda: repaired(path, path.read_bytes(), OPTIONS, unsafe=True))


def fixed(path: Path) -> str:
    """The text of a fixture after all fixes, with the markers that still hold."""
    after = repair(path).after
    report = on_deep_stack(lambda: check_bytes(after, path, OPTIONS))
    reported = {(each.span.line, each.code) for each in report.diagnostics}
    lines = []
    for number, line in enumerate(after.decode().split("\n"), start=1):
        marker = _ERROR.search(line)
        if marker is None or (number, marker[1]) in reported:
            lines.append(line)
        elif line[: marker.start()].strip():
            lines.append(line[: marker.start()])
    return "\n".join(lines)


if __name__ == "__main__":
    for bad in sorted(FIXTURES.glob("*/bad.py")):
        if not sys.argv[1:] or bad.parent.name in sys.argv[1:]:
            text = fixed(bad)
            if text != bad.read_text():
                bad.with_name("bad.fixed.py").write_text(text)
