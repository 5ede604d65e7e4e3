"""Import statements: files of the project are interpreted when first imported, the rest is external.

Not modelled: imports that run conditionally on the platform, and what an import does when it runs twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.values import Context, Ext, File, Obj, Path, Value
from torchmode_lint.flow.events import Variable
from torchmode_lint.torch_api import described

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.analysis.state import State
    from torchmode_lint.source import SourceFile

MAX_FILES = 60


@dataclass(slots=True, eq=False)
class Loaded:
    """A file that has been reached. `state` is None while its body is being interpreted."""

    source: SourceFile
    path: FilePath
    context: Context
    state: State | None = None
    open_star: bool = False


def module(frame: Frame, bound: str, loaded: str) -> Value:
    """What `import a.b` (bound "a") or `import a.b as c` (bound "a.b") binds."""
    target = _load(frame, loaded, 0)
    if target is None:
        return v.just(Ext(bound))
    if bound == loaded:
        return v.just(target)
    top = _load(frame, bound, 0)
    return v.just(top) if top is not None else v.just(Ext(bound))


def name(frame: Frame, module_name: str, wanted: str, level: int) -> Value:
    """What `from module import name` binds."""
    here = _here(frame)
    if not level and described(f"{module_name}.{wanted}"):
        return v.just(Ext(f"{module_name}.{wanted}"))
    target = _load(frame, module_name, level)
    if wanted == "*":
        _star(frame, target, module_name, level)
        return v.TOP
    if target is None:
        inner = _load(frame, f"{module_name}.{wanted}" if module_name else wanted, level)
        if inner is not None:
            return v.just(inner)
        if level:
            return v.just(Obj(Path(here.context, f"{'.' * level}{module_name}.{wanted}")))
        if frame.run.project.find(here.path, module_name.split(".")[0], 0) is not None:
            return v.just(Obj(Path(here.context, f"{module_name}.{wanted}")))
        return v.just(Ext(f"{module_name}.{wanted}"))
    return member(frame, target, wanted)


def member(frame: Frame, file: File, wanted: str) -> Value:
    """An attribute of a file of the project: a global of it, or a file below it."""
    found = frame.state.env.get(Variable(file.scope, wanted)) or frame.run.globals.get(Variable(file.scope, wanted))
    if found is not None:
        return found
    loaded = frame.run.scopes.get(file.scope)
    if loaded is not None and loaded.path.name == "__init__.py":
        inner = frame.run.project.find(loaded.path, wanted, 1)
        if inner is not None:
            below = _load_path(frame, inner)
            if below is not None:
                return v.just(below)
    context = loaded.context if loaded is not None else frame.context
    return v.just(Obj(Path(context, wanted)))


def _here(frame: Frame) -> Loaded:
    code = frame.context.code
    while code.parent is not None:
        code = code.parent
    return frame.run.scopes[code.scope]


def _load(frame: Frame, module_name: str, level: int) -> File | None:
    here = _here(frame)
    path = frame.run.project.find(here.path, module_name, level)
    return None if path is None else _load_path(frame, path)


def _load_path(frame: Frame, path: FilePath) -> File | None:
    run = frame.run
    known = run.files.get(str(path))
    if known is None:
        if len(run.files) >= MAX_FILES:
            return None
        source = run.project.read(path)
        if source is None:
            return None
        known = run.load(source, path)
    if known.state is not None:
        merge(frame.state, known)
    return File(known.source.code.scope, str(path))


def merge(state: State, loaded: Loaded) -> None:
    """Bring the objects of an imported file into the state, once; its names are found among the globals."""
    assert loaded.state is not None
    for key, record in loaded.state.heap.items():
        state.heap.setdefault(key, record)
    for pair, value in loaded.state.attrs.items():
        state.attrs.setdefault(pair, value)


def _star(frame: Frame, target: File | None, module_name: str, level: int) -> None:
    here = _here(frame)
    if target is None:
        if level or module_name.split(".")[0] not in ("torch", "typing", "math"):
            here.open_star = True
        if module_name in ("torch.nn", "torch", "torch.nn.functional", "torch.optim"):
            here.open_star = True
        return
    loaded = frame.run.scopes[target.scope]
    here.open_star = here.open_star or loaded.open_star
    for slot, value in list(frame.run.globals.items()):
        if slot.scope == target.scope and not slot.name.startswith("_"):
            variable = Variable(here.source.code.scope, slot.name)
            if not frame.run.note_global(variable, value):
                frame.state.env[variable] = value
