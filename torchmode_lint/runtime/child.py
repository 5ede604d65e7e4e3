"""Runs the user's program under the monitor, in a process of its own: `python -m torchmode_lint.runtime.child`.

What was seen is written to a file every second and at the end, whole or not at all, so that a program that fails, hangs
or is killed leaves what was seen until then. The program's input, output, arguments and exit code are its own.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from torchmode_lint.runtime.lines import Lines
from torchmode_lint.runtime.monitor import Monitor, StepLimit
from torchmode_lint.runtime.observed import Broken, Observed
from torchmode_lint.runtime.own import files_under
from torchmode_lint.runtime.places import Chain, Place

_EVERY = 1.0  # seconds between two reports
_TIMED_OUT = 124
_NO_GRAPH = "has no attribute 'backward'"


def main(arguments: list[str]) -> int:
    """`REPORT ROOT STEPS SECONDS module|script NAME [ARGS...]`; steps and seconds 0 are no limit."""
    report, root, steps, seconds, kind, name, *rest = arguments
    script = Path(name) if kind == "script" else None
    run = _Run(Path(report), Path(root), script, int(steps), float(seconds))
    sys.argv = [name, *rest]
    if script is not None:
        sys.path[0] = str(script.resolve().parent)
    else:
        sys.path[0] = os.getcwd()
    return run.program(kind, name)


class _Run:
    def __init__(self, report: Path, root: Path, script: Path | None, steps: int, seconds: float) -> None:
        self._report = report
        self._monitor = Monitor(files_under(root, also=script), steps or None)
        self._lines = Lines(self._monitor.places)
        self._deadline = time.monotonic() + seconds if seconds else None
        self._uncaught: list[Broken] = []
        self._writing = threading.Lock()
        self._written = False
        self._process = os.getpid()

    def program(self, kind: str, name: str) -> int:
        """Run it to its end; its exit code."""
        threading.Thread(target=self._watch, name="torchmode-lint", daemon=True).start()
        ended, code, complete = "finished", 0, True
        self._monitor.__enter__()
        self._lines.start()
        try:
            if kind == "script":
                runpy.run_path(name, run_name="__main__")
            else:
                runpy.run_module(name, run_name="__main__", alter_sys=True)
        except StepLimit:
            ended, complete = f"stopped after {self._monitor.steps} steps", False
        except SystemExit as error:
            code = _exit_code(error)
            ended = f"exited with code {code}"
        except KeyboardInterrupt:
            ended, code, complete = "interrupted", 130, False
        except BaseException as error:  # noqa: BLE001 - the user's own, shown as Python would
            ended, code = f"failed: {type(error).__name__}: {error}", 1
            self._note_uncaught(error)
            _show(error)
        finally:
            self._lines.stop()
            self._monitor.__exit__(None if complete else StepLimit, None, None)
        if os.getpid() == self._process:
            self._write(ended, last=True)
        return code

    def _watch(self) -> None:
        """Beside the program: write what has been seen, and end what takes too long."""
        while True:
            time.sleep(_EVERY)
            late = self._deadline is not None and time.monotonic() > self._deadline
            if not late:
                self._write("killed")
                continue
            while not self._write("timed out", last=True):
                time.sleep(0.01)
            os._exit(_TIMED_OUT)

    def _write(self, ended: str, *, last: bool = False) -> bool:
        """Write what has been seen, unless the last report is there; False where it changed meanwhile."""
        with self._writing:
            if self._written:
                return True
            try:
                seen = self._monitor.observed(ended)
                lines = {path: sorted(numbers) for path, numbers in list(self._lines.reached.items())}
            except RuntimeError:  # the program has grown a dictionary meanwhile
                return False
            document = Observed.to_json(_with(seen, self._uncaught)) | {"lines": lines}
            part = self._report.with_suffix(".part")
            part.write_text(json.dumps(document))
            part.replace(self._report)
            self._written = last
            return True

    def _note_uncaught(self, error: BaseException) -> None:
        """An error of Python's own that a broken move ends in: a number has no `backward`."""
        if isinstance(error, AttributeError) and _NO_GRAPH in str(error):
            frames = reversed(traceback.extract_tb(error.__traceback__))
            chain: Chain = tuple(
                Place(frame.filename, frame.lineno or 0, frame.name)
                for frame in frames
                if self._monitor.places.is_own(frame.filename)
            )
            if chain:
                self._uncaught.append(Broken("TML202", chain, "a number has no graph to walk"))


def _with(seen: Observed, more: list[Broken]) -> Observed:
    return replace(seen, broken=(*seen.broken, *more))


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code
    print(error.code, file=sys.stderr)  # noqa: T201 - what Python itself does
    return 1


def _show(error: BaseException) -> None:
    """The user's traceback, from the first frame that is theirs on."""
    trace: TracebackType | None = error.__traceback__
    while trace is not None and (
        "runpy" in trace.tb_frame.f_code.co_filename or __file__ == trace.tb_frame.f_code.co_filename
    ):
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.exit(status)
