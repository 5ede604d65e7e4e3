"""What binds and unbinds names, attributes and items: assignments, `del`, imports, `global`."""

from __future__ import annotations

import libcst as cst

from torchmode_lint.flow import events as ev
from torchmode_lint.flow.annotations import annotation_name, dotted
from torchmode_lint.flow.build import Builder
from torchmode_lint.flow.dispatch import STATEMENTS, expression
from torchmode_lint.flow.events import Register
from torchmode_lint.flow.lower_expr import subscript_key

_IN_PLACE: dict[type[cst.BaseAugOp], str] = {
    cst.AddAssign: "+",
    cst.SubtractAssign: "-",
    cst.MultiplyAssign: "*",
    cst.MatrixMultiplyAssign: "@",
    cst.DivideAssign: "/",
    cst.FloorDivideAssign: "//",
    cst.ModuloAssign: "%",
    cst.PowerAssign: "**",
    cst.LeftShiftAssign: "<<",
    cst.RightShiftAssign: ">>",
    cst.BitOrAssign: "|",
    cst.BitAndAssign: "&",
    cst.BitXorAssign: "^",
}


def assign(b: Builder, target: cst.CSTNode, src: Register) -> None:
    """Stores `src` in a target of any form."""
    if type(target) is cst.Name:
        b.emit(ev.Store(b.index(), target, b.bind(target.value), src))
    elif type(target) is cst.Attribute:
        obj = expression(b, target.value)
        b.emit(ev.SetAttribute(b.index(), target, obj, target.attr.value, src))
    elif type(target) is cst.Subscript:
        obj = expression(b, target.value)
        key = subscript_key(b, target)
        b.emit(ev.SetItem(b.index(), target, obj, key, src))
    elif isinstance(target, cst.Tuple | cst.List):
        parts = tuple(b.register() for _ in target.elements)
        stars = [n for n, element in enumerate(target.elements) if isinstance(element, cst.StarredElement)]
        b.emit(ev.Unpack(b.index(), target, src, parts, stars[0] if stars else None))
        for element, part in zip(target.elements, parts, strict=True):
            assign(b, element.value, part)


def _assign(b: Builder, node: cst.Assign) -> None:
    src = expression(b, node.value)
    for target in node.targets:
        assign(b, target.target, src)


def _annotated(b: Builder, node: cst.AnnAssign) -> None:
    src = None if node.value is None else expression(b, node.value)
    if isinstance(node.target, cst.Name):
        variable = b.bind(node.target.value)
        b.emit(ev.Annotate(b.index(), node, variable, annotation_name(node.annotation.annotation)))
    if src is not None:
        assign(b, node.target, src)


def _augmented(b: Builder, node: cst.AugAssign) -> None:
    target = node.target
    kind = _IN_PLACE[type(node.operator)]
    old = b.register()
    if isinstance(target, cst.Attribute):
        obj = expression(b, target.value)
        b.emit(ev.Attribute(b.index(), target, old, obj, target.attr.value))
        new = _in_place(b, node, kind, old)
        b.emit(ev.SetAttribute(b.index(), target, obj, target.attr.value, new))
    elif isinstance(target, cst.Subscript):
        obj = expression(b, target.value)
        key = subscript_key(b, target)
        b.emit(ev.Item(b.index(), target, old, obj, key))
        new = _in_place(b, node, kind, old)
        b.emit(ev.SetItem(b.index(), target, obj, key, new))
    elif isinstance(target, cst.Name):
        variable = b.bind(target.value)
        b.emit(ev.Load(b.index(), target, old, variable))
        new = _in_place(b, node, kind, old)
        b.emit(ev.Store(b.index(), target, variable, new))


def _in_place(b: Builder, node: cst.AugAssign, kind: str, old: Register) -> Register:
    right = expression(b, node.value)
    new = b.register()
    b.emit(ev.InPlace(b.index(), node, new, kind, old, right))
    return new


def delete(b: Builder, target: cst.CSTNode) -> None:
    if isinstance(target, cst.Name):
        b.emit(ev.Delete(b.index(), target, b.bind(target.value)))
    elif isinstance(target, cst.Attribute):
        obj = expression(b, target.value)
        b.emit(ev.DeleteAttribute(b.index(), target, obj, target.attr.value))
    elif isinstance(target, cst.Subscript):
        obj = expression(b, target.value)
        key = subscript_key(b, target)
        b.emit(ev.DeleteItem(b.index(), target, obj, key))
    elif isinstance(target, cst.Tuple | cst.List):
        for element in target.elements:
            delete(b, element.value)


def _import(b: Builder, node: cst.Import) -> None:
    for alias in node.names:
        loaded = dotted(alias.name) or ""
        dst = b.register()
        if alias.asname is None:
            module = loaded.partition(".")[0]
            b.emit(ev.Import(b.index(), alias, dst, module, loaded))
            b.emit(ev.Store(b.index(), alias, b.bind(module), dst))
        else:
            b.emit(ev.Import(b.index(), alias, dst, loaded, loaded))
            assign(b, alias.asname.name, dst)


def _import_from(b: Builder, node: cst.ImportFrom) -> None:
    module = dotted(node.module) or "" if node.module else ""
    level = len(node.relative)
    if isinstance(node.names, cst.ImportStar):
        b.emit(ev.ImportFrom(b.index(), node, b.register(), module, "*", level))
        return
    for alias in node.names:
        name = dotted(alias.name) or ""
        dst = b.register()
        b.emit(ev.ImportFrom(b.index(), alias, dst, module, name, level))
        assign(b, alias.asname.name if alias.asname else alias.name, dst)


def _global(b: Builder, node: cst.Global) -> None:
    b.scope.globals.update(item.name.value for item in node.names)


def _nonlocal(b: Builder, node: cst.Nonlocal) -> None:
    b.scope.nonlocals.update(item.name.value for item in node.names)


STATEMENTS.update(
    {
        cst.Assign: _assign,
        cst.AnnAssign: _annotated,
        cst.AugAssign: _augmented,
        cst.Del: lambda b, node: delete(b, node.target),
        cst.Import: _import,
        cst.ImportFrom: _import_from,
        cst.Global: _global,
        cst.Nonlocal: _nonlocal,
    }
)
