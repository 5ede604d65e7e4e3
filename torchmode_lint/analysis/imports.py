"""Import statements: what they bind is read when it is first used; what is not of the project is external.

Not modelled: imports that run conditionally on the platform, and what an import does when it runs twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.values import Ext, File, Imported, Obj, Path, Value
from torchmode_lint.torch_api import described

if TYPE_CHECKING:
    from pathlib import Path as FilePath

    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.analysis.loader import Loaded


_OPEN = ("torch.nn", "torch", "torch.nn.functional", "torch.optim")


def module(frame: Frame, bound: str, loaded: str) -> Value:
    """What `import a.b` (bound "a") or `import a.b as c` (bound "a.b") binds."""
    target = _find(frame, loaded, 0)
    if target is None:
        return v.just(Ext(bound))
    if bound == loaded:
        return v.just(File(target))
    top = _find(frame, bound, 0)
    return v.just(Ext(bound) if top is None else File(top))


def name(frame: Frame, module_name: str, wanted: str, level: int) -> Value:
    """What `from module import name` binds."""
    here = _here(frame)
    target = _find(frame, module_name, level)
    # what is described by its own name is known better than its source says it
    if not level and described(f"{module_name}.{wanted}", whole_libraries=target is None):
        return v.just(Ext(f"{module_name}.{wanted}"))
    if wanted == "*":
        _star(frame, target, module_name, level)
        return v.TOP
    if target is not None:
        return v.just(Imported(target, wanted))
    inner = _find(frame, f"{module_name}.{wanted}" if module_name else wanted, level)
    if inner is not None:
        return v.just(File(inner))
    if level:
        return v.just(Obj(Path(here.context, f"{'.' * level}{module_name}.{wanted}")))
    if frame.run.loader.project.find(here.path, module_name.split(".")[0], 0) is not None:
        return v.just(Obj(Path(here.context, f"{module_name}.{wanted}")))
    return v.just(Ext(f"{module_name}.{wanted}"))


def member(frame: Frame, file: File, wanted: str) -> Value:
    """An attribute of a file of the project: a global of it, or a file below it."""
    if frame.run.lazy:
        return v.just(Imported(file.path, wanted))
    value = frame.run.meaning(Imported(file.path, wanted))
    frame.run.lend(frame.state, value)
    return value


def _here(frame: Frame) -> Loaded:
    return frame.run.scopes[frame.context.code.file.scope]


def _find(frame: Frame, module_name: str, level: int) -> FilePath | None:
    return frame.run.loader.project.find(_here(frame).path, module_name, level)


def _star(frame: Frame, target: FilePath | None, module_name: str, level: int) -> None:
    here = _here(frame)
    if target is not None:
        if target not in here.stars:
            here.stars.append(target)
    elif level or module_name in _OPEN or module_name.split(".")[0] not in ("torch", "typing", "math"):
        here.open_star = True
