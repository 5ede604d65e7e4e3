"""Which lines of the user's files a run has reached.

Through `sys.monitoring` from Python 3.12 on, where a line that has been seen costs nothing any more; through a trace
function before, which leaves a function alone once all its lines have been seen.
"""

from __future__ import annotations

import sys
import threading
from types import CodeType, FrameType
from typing import Any

from torchmode_lint.runtime.places import Places

_TOOL = 4  # an identifier of `sys.monitoring` that no well-known tool uses


class Lines:
    """The lines reached, by the name of the file."""

    def __init__(self, places: Places) -> None:
        self.reached: dict[str, set[int]] = {}
        self._places = places
        self._left: dict[CodeType, set[int]] = {}

    def start(self) -> None:
        monitoring = getattr(sys, "monitoring", None)
        if monitoring is not None:
            monitoring.use_tool_id(_TOOL, "torchmode-lint")
            monitoring.register_callback(_TOOL, monitoring.events.LINE, self._line)
            monitoring.set_events(_TOOL, monitoring.events.LINE)
        else:
            threading.settrace(self._call)
            sys.settrace(self._call)

    def stop(self) -> None:
        monitoring = getattr(sys, "monitoring", None)
        if monitoring is not None:
            monitoring.set_events(_TOOL, 0)
            monitoring.free_tool_id(_TOOL)
        else:
            sys.settrace(None)
            threading.settrace(None)

    def _line(self, code: CodeType, line: int) -> object:
        if self._places.is_own(code.co_filename):
            self.reached.setdefault(code.co_filename, set()).add(line)
        return getattr(sys, "monitoring").DISABLE  # noqa: B009 - absent before Python 3.12

    def _call(self, frame: FrameType, event: str, argument: object) -> Any:  # noqa: ANN401 - a trace function
        code = frame.f_code
        if not self._places.is_own(code.co_filename):
            return None
        left = self._left.get(code)
        if left is None:
            left = self._left[code] = {line for _, _, line in code.co_lines() if line}
        if not left:
            return None
        reached = self.reached.setdefault(code.co_filename, set())

        def local(frame: FrameType, event: str, argument: object) -> Any:  # noqa: ANN401
            if event == "line":
                reached.add(frame.f_lineno)
                left.discard(frame.f_lineno)
                if not left:
                    frame.f_trace_lines = False
            return local

        return local
