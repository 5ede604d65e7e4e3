"""Fixes of values that are kept from turn to turn with their graphs: cut off, or turned into numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from torchmode_lint.analysis import evaluation
from torchmode_lint.analysis.values import name_of
from torchmode_lint.diagnostic import Fix
from torchmode_lint.fixes import grad_modes, regions
from torchmode_lint.fixes.draft import Draft
from torchmode_lint.fixes.imports import Imports
from torchmode_lint.fixes.syntax import Syntax, assigned, bound, dotted, read, walk

if TYPE_CHECKING:
    from torchmode_lint.analysis.classes import Class
    from torchmode_lint.analysis.program import Forward, Kept, Program
    from torchmode_lint.analysis.values import Context

_ADDING = {"append": 0, "appendleft": 0, "add": 0, "insert": 1}


def cut(program: Program, kept: Kept, *, sure: bool) -> Fix | None:
    """What is kept without its graph; an evaluation builds none. `sure`: that the graph has been walked."""
    forwards = [f for f in program.forwards if f.key in kept.forwards]
    if forwards and not kept.forwards & program.trained:
        place = evaluation.place(program, forwards[0], forwards[0].module.why)
        return grad_modes.switch_off(program, forwards[0], place, sure=False)
    draft = Draft(program.source)
    added = _added(draft.syntax, kept.event.node)
    if added is None:
        return None
    if not _is_tensor(program, draft.syntax, kept, added):
        if not program.here(kept.context) or not isinstance(added, cst.Name) or not _are_dicts(program, forwards):
            return None
        draft.replace(added, f"{{name: value.detach() for name, value in {added.value}.items()}}")
        return draft.fix(f"keep what is in `{added.value}` without its graph", safe=False)
    given = _given(kept.context, added)
    if given is not None:
        added = given[1]
        if added is None or not program.here(given[0]):
            return None  # whoever else calls this may give it numbers
    elif not program.here(kept.context):
        return None
    value = _tensor(added)
    text = draft.syntax.text(value)
    if given is None and _is_number(draft.syntax, value) and _is_only_shown(draft.syntax, kept.event.node):
        draft.method(value, ".item()")
        return draft.fix(f"keep the number of `{text}`", safe=sure)
    draft.method(value, ".detach()")
    return draft.fix(f"keep `{text}` without its graph", safe=sure)


def _is_tensor(program: Program, syntax: Syntax, kept: Kept, added: cst.BaseExpression) -> bool:
    """Whether what is kept is surely one tensor, not a structure of some."""
    if kept.tensor.exact and (kept.tensor.made is not None or name_of(kept.tensor) in program.walked):
        return True
    name = dotted(_tensor(added))
    scope = syntax.function(added) or syntax.source.tree
    return name is not None and any(
        isinstance(at, cst.Call) and isinstance(at.func, cst.Attribute) and at.func.attr.value == "backward"
        for node in walk(scope, own=True)
        if isinstance(node, (cst.Name, cst.Attribute)) and dotted(node) == name and not _is_taken_apart(syntax, node)
        for at in syntax.around(node)
    )


def _are_dicts(program: Program, forwards: list[Forward]) -> bool:
    """Whether modules of the project return dictionaries of tensors and nothing else, as far as their forwards say."""
    return bool(forwards) and all(
        f.module.cls is not None and _returns_tensors(program, f.module.cls) for f in forwards
    )


def _returns_tensors(program: Program, cls: Class) -> bool:
    code = next((code for code in cls.code.codes if code.name == "forward"), None)
    source = None if code is None else program.sources.get(code.file)
    if code is None or source is None:
        return False
    words = Imports(Syntax(source)).words("torch")
    attributes = {code.parameters[0].name} if code.parameters else set()

    def makes_tensor(value: cst.BaseExpression) -> bool:
        if isinstance(value, cst.Name):
            values = [named[1] for named in assignments if named is not None and named[0] == value.value]
            return len(values) == 1 and not isinstance(values[0], cst.Name) and makes_tensor(values[0])
        name = dotted(value.func) if isinstance(value, cst.Call) else None
        root, _, rest = (name or "").partition(".")
        return root in words or (root in attributes and bool(rest) and not cls.method(rest))

    body = list(walk(code.node, own=True))
    assignments = [assigned(at) for at in body if isinstance(at, cst.SimpleStatementLine)]
    returned = [at.value for at in body if isinstance(at, cst.Return)]
    return bool(returned) and all(
        isinstance(value, cst.Dict)
        and all(isinstance(item, cst.DictElement) and makes_tensor(item.value) for item in value.elements)
        for value in returned
    )


def _is_taken_apart(syntax: Syntax, node: cst.CSTNode) -> bool:
    """Whether an item or an attribute of something is read, not a method called."""
    parent = syntax.parent(node)
    if isinstance(parent, cst.Attribute):
        call = syntax.parent(parent)
        return not (isinstance(call, cst.Call) and call.func is parent)
    return isinstance(parent, cst.Subscript) and parent.value is node


def _added(syntax: Syntax, node: cst.CSTNode) -> cst.BaseExpression | None:
    """The expression that is added to a total or put into a container."""
    match node:
        case cst.AugAssign(value=cst.List(elements=[cst.Element(value=value)])) | cst.AugAssign(value=value):
            return value
        case cst.Call(func=cst.Attribute(attr=cst.Name(name)), args=args) if name in _ADDING:
            index = _ADDING[name]
            return args[index].value if len(args) == index + 1 and not args[index].star else None
        case cst.BinaryOperation(left=left, right=right):
            line = syntax.line(node)
            total = None if line is None else assigned(line.statement)
            if total is None:
                return None
            news = [side for side in (left, right) if total[0] not in read(side)]
            return news[0] if len(news) == 1 else None
        case cst.Subscript():
            target = syntax.parent(node)
            assignment = None if target is None else syntax.parent(target)
            return assignment.value if isinstance(assignment, cst.Assign) else None
    return None


def _given(context: Context, added: cst.BaseExpression) -> tuple[Context, cst.BaseExpression | None] | None:
    """The caller and what it gave, where what is added is a parameter of a function; None where it is none."""
    own = {parameter.name for parameter in context.code.parameters}
    if context.code.parent is not None and context.code.parent.kind == "class":
        own -= {parameter.name for parameter in context.code.parameters[:1]}
    parameters = read(added) & own
    if not parameters or context.parent is None:
        return None
    values = [value for value in (regions.argument(context, name) for name in parameters) if not _is_plain(value)]
    return context.parent, values[0] if len(values) == 1 else None


def _tensor(value: cst.BaseExpression) -> cst.BaseExpression:
    """Of a product or a quotient with a number, the other operand."""
    match value:
        case cst.BinaryOperation(left=left, operator=cst.Multiply() | cst.Divide(), right=right):
            if _is_plain(right):
                return _tensor(left)
            if _is_plain(left) and isinstance(value.operator, cst.Multiply):
                return _tensor(right)
    return value


def _is_plain(node: cst.BaseExpression | None) -> bool:
    """Whether an expression is surely a number of Python's."""
    match node:
        case cst.Integer() | cst.Float() | cst.Call(func=cst.Name("len")):
            return True
        case cst.Call(func=cst.Attribute(attr=cst.Name("size")), args=[_]):
            return True
        case cst.Call(func=cst.Attribute(attr=cst.Name("item"))):
            return True
    return False


def _is_number(syntax: Syntax, value: cst.BaseExpression) -> bool:
    """Whether a backward without arguments starts from a name in the same function, as it does from one number only."""
    scope = syntax.function(value) or syntax.source.tree
    name = dotted(value)
    if name is None or sum(name in bound(at) for at in walk(scope, own=True) if isinstance(at, cst.Assign)) != 1:
        return False
    return any(
        isinstance(at, cst.Call)
        and isinstance(at.func, cst.Attribute)
        and at.func.attr.value == "backward"
        and dotted(at.func.value) == name
        and not at.args
        for at in walk(scope, own=True)
    )


def _is_only_shown(syntax: Syntax, node: cst.CSTNode) -> bool:
    """Whether the total that something is added to begins as a number and is only printed."""
    line = syntax.line(node)
    if line is None:
        return False
    scope = syntax.function(node) or syntax.source.tree
    totals = bound(line.statement)
    if len(totals) != 1 or "." in next(iter(totals)):
        return False
    (total,) = totals
    for at in walk(scope):
        if isinstance(at, cst.Name) and at.value == total and not regions.is_in(syntax, at, line.statement):
            if not (_begins(syntax, at) or _is_printed(syntax, at)):
                return False
    return True


def _begins(syntax: Syntax, name: cst.Name) -> bool:
    line = syntax.line(name)
    start = None if line is None else assigned(line.statement)
    return start is not None and start[0] == name.value and isinstance(start[1], (cst.Integer, cst.Float))


def _is_printed(syntax: Syntax, name: cst.Name) -> bool:
    if isinstance(syntax.parent(name), cst.Attribute):
        return False
    return any(
        isinstance(at, cst.FormattedStringExpression) or (isinstance(at, cst.Call) and dotted(at.func) == "print")
        for at in syntax.around(name)
    )
