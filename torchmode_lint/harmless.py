"""Moves of the protocol that do no harm by themselves, told by Python's own parser, at a fraction of libcst's cost.

Files of models are full of them: weights initialised under `no_grad`, dropout that asks for the mode, a generation
loop in a method. A diagnostic needs a module in a known mode, too: one that the file makes, for it switches none here.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from torchmode_lint.excerpt import Excerpts
from torchmode_lint.python_parser import children, file_tree, python_tree
from torchmode_lint.text import places, whole_word
from torchmode_lint.torch_methods import TENSOR_NO_GRAPH, TENSOR_NUMBER

_SWITCHES = ("no_grad", "inference_mode", "enable_grad", "set_grad_enabled")
_RETURNING = ("to", "cpu", "cuda", "clone", "detach", "requires_grad")  # methods whose results one has to use
_CHANGING = ("detach_", "requires_grad_", "retain_grad")  # and those that one has to call
_DETACHING = "detach"  # which takes numbers out of a graph, so that an evaluation may be meant
_ATTENTION = ("scaled_dot_product_attention", "multi_head_attention_forward")

_OF_DATA = frozenset(
    (
        "sum mean std var max min view reshape permute transpose unsqueeze squeeze expand expand_as repeat flatten "
        "gather masked_fill masked_select index_select clamp softmax log_softmax exp log sqrt pow abs chunk unbind "
        "cumsum norm append extend items keys values get pop setdefault format join split strip replace startswith "
        "endswith lower"
    ).split()
).union(_RETURNING, TENSOR_NUMBER.names, TENSOR_NO_GRAPH.names)

# Each of these begins with letters that are looked for as such: one pattern for all takes ten times as long.
_WORDS = tuple(re.compile(whole_word(word)) for word in (*_SWITCHES, _DETACHING))
# Dropout that need not ask for the mode: functions, and layers made on the spot.
_DROPPING_WORDS = ("ropout", *_ATTENTION)
_DROPPING = re.compile(
    r"(?<!\bself)\.\w*dropout[123]?d?\(|(?<![\w.])\w*dropout[123]?d?\(|Dropout\w*\(.*\)\("
    rf"|^[ \t]+\w+ *= *[\w.]*Dropout\w*\(|\b{_ATTENTION[0]}\b|\b{_ATTENTION[1]}\b",
    re.MULTILINE,
)
_ASKING = re.compile(r"(?:[^()]|\([^()]*\))*\btraining=\w+(?:\.\w+)*\.training,?\s*\)")  # the rest of such a call
_METHOD = re.compile(rf"\.(?:{'|'.join(_RETURNING + _CHANGING)})\b")
_DROPPED = re.compile(r"[ \t]*[\w.]+(?:\([^=\n]*\))?")  # what such a method is called of, at the beginning of a line

# The head of a class, a comment among its bases, and the last part of a base that is a dotted name.
_HEAD = re.compile(r"([ \t]*)class\s+(\w+)\s*(?:\[[^\]]*\]\s*)?(?:\(((?:[^()]|\([^()]*\))*)\)|:)")
_COMMENT = re.compile(r"#[^\n]*")
_BASE = re.compile(r"(?:^|,)\s*(?:\w+\s*\.\s*)*(\w+)\s*(?=,|$)")
_BASED = re.compile(r"class\s+\w+\s*(?:\[[^\]]*\]\s*)?\(\s*[^)\s]")
_INDENT = re.compile(r"[ \t]*")

_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class _At(NamedTuple):
    """A statement, the class that it is in, and the outermost function there."""

    statement: ast.stmt
    cls: ast.ClassDef | None
    function: _Function | None


def doubtful(text: str) -> Iterator[int]:
    """Where that ends which is decided here. Whatever else a rule may speak of makes a file worth looking into."""
    for word in _WORDS:
        yield from (found.end() for found in word.finditer(text))
    yield from droppings(text)
    for method in _METHOD.finditer(text):
        line = max(text.rfind("\n", 0, method.start()), text.rfind("\r", 0, method.start())) + 1
        if _DROPPED.fullmatch(text, line, method.start()):
            yield method.end()


def droppings(text: str) -> Iterator[int]:
    """Where dropout ends that may not ask for the mode, by words alone."""
    for word in _DROPPING_WORDS:
        for at in places(text, word):
            end = text.find("\n", at)
            for found in _DROPPING.finditer(text, text.rfind("\n", 0, at) + 1, end if end >= 0 else len(text)):
                if not (found[0].endswith("(") and _ASKING.match(text, found.end())):
                    yield found.end()


def may_drop(text: str) -> bool:
    """Whether some dropout in a file may not ask for the mode of a module."""
    lines = _lines(text, droppings(text))
    tree = file_tree(text) if lines else None
    if tree is None:
        return bool(lines)
    return any(_may_drop(node, at) for at in _statements(tree, lines, None, None) for node in _own(at.statement))


def _lines(text: str, wanted: Iterable[int]) -> list[int]:
    """The numbers of the lines that some places in a text are in."""
    line, at = 1, 0
    lines: dict[int, None] = {}
    for place in sorted(wanted):
        ends = {end: text.count(end, at, place) for end in ("\n", "\r", "\r\n")}
        line += ends["\n"] + ends["\r"] - ends["\r\n"]
        lines[line] = None
        at = place
    return list(lines)


def is_harmless(text: str) -> bool:
    """Whether nothing that is `doubtful` in a file that can be read may lead to a diagnostic."""
    excerpts = Excerpts(text)
    tree = _excerpt(excerpts, lines := _lines(text, doubtful(text)), text)
    if tree is None:
        return False
    modules = _module_classes(text)
    switching: set[str] = set()
    for at in _statements(tree, lines, None, None):
        if _drops_what_matters(at.statement):
            return False
        for node in _own(at.statement):
            if _may_drop(node, at):
                return False
            in_module = at.cls is not None and at.cls.name in modules
            switches = _last(node) in _SWITCHES and not isinstance(at.statement, (ast.Import, ast.ImportFrom))
            if switches or (_last(node) == _DETACHING and not in_module):
                if at.function is None or _applies(at.function, in_module=in_module):
                    return False
            if switches and at.function is not None:
                switching.add(at.function.name)
    if not switching or not modules:
        return True
    made = _lines(text, (place for name in modules for place in places(text, f"{name}(") if _is_made(text, place)))
    tree = _excerpt(excerpts, made, text)
    return tree is not None and not _reaches(tree, text, made, modules, switching)


def _excerpt(excerpts: Excerpts, lines: list[int], text: str) -> ast.Module | None:
    if "\r" in text and text.count("\r") != text.count("\r\n"):
        return file_tree(text)
    return python_tree(excerpts.of(lines)) or file_tree(text)


def _is_made(text: str, place: int) -> bool:
    """Whether a class, whose name and a bracket are at a place, may be called, other than in a constructor."""
    if text.endswith("class ", 0, place):
        return False
    head = text.rfind("def ", 0, place)
    if not text.startswith("def __init__(", head):
        return True
    cls = text.rfind("class ", 0, head)
    if not _BASED.match(text, cls):
        return True
    return _indent(text, place) <= _indent(text, head) or _indent(text, head) <= _indent(text, cls)


def _indent(text: str, place: int) -> int:
    """How far the line of a place is indented."""
    line = text.rfind("\n", 0, place) + 1
    return len(found[0]) if (found := _INDENT.match(text, line)) else 0


_IN_STATEMENTS = (ast.stmt, ast.ExceptHandler, ast.match_case)


def _statements(node: ast.AST, lines: list[int], cls: ast.ClassDef | None, function: _Function | None) -> Iterator[_At]:
    """The statements that have one of the lines; the decorators of a function count as part of what is in it."""
    for child in children(node):
        if isinstance(child, (ast.ExceptHandler, ast.match_case)):
            yield from _statements(child, lines, cls, function)
        elif isinstance(child, ast.stmt) and _has_line(child, lines):
            inner_cls, inner = cls, function
            if isinstance(child, ast.ClassDef):
                inner_cls, inner = child, None
            elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                inner = function or child
            yield _At(child, cls, inner)
            yield from _statements(child, lines, inner_cls, inner)


def _has_line(statement: ast.stmt, lines: list[int]) -> bool:
    first = min([statement.lineno, *(one.lineno for one in getattr(statement, "decorator_list", ()))])
    at = bisect_left(lines, first)
    return at < len(lines) and lines[at] <= (statement.end_lineno or first)


def _own(statement: ast.stmt) -> Iterator[ast.AST]:
    """A statement and its expressions, without the statements in it."""
    pending: list[ast.AST] = [statement]
    while pending:
        node = pending.pop()
        yield node
        pending += [one for one in children(node) if not isinstance(one, _IN_STATEMENTS)]


def _module_classes(text: str) -> set[str]:
    """The classes that have a `forward`, and all that inherit from these or that these inherit from."""
    heads = [head for at in places(text, "class ") if (head := _HEAD.match(text, text.rfind("\n", 0, at) + 1))]
    classes = {head[2]: _BASE.findall(_COMMENT.sub("", head[3])) for head in heads if head[3]}
    found: set[str] = set()
    for at in (one for one in places(text, "def forward(") if text[text.rfind("\n", 0, one) + 1 : one].isspace()):
        before = reversed(heads[: bisect_left(heads, at, key=lambda head: head.start())])
        found |= {next((head[2] for head in before if len(head[1]) < _indent(text, at)), "")}
    found &= classes.keys()
    kin: dict[str, set[str]] = {name: set() for name in classes}
    for name, bases in classes.items():
        for base in kin.keys() & set(bases):
            kin[name].add(base)
            kin[base].add(name)
    pending = list(found)
    while pending:
        new = kin[pending.pop()] - found
        pending += new
        found |= new
    return found


def _drops_what_matters(statement: ast.stmt) -> bool:
    """Whether this is a statement whose value may be all that it is for, or a grad mode that nobody calls."""
    if isinstance(statement, ast.Expr):
        value = statement.value
        called = value.func if isinstance(value, ast.Call) else None
        if isinstance(value, ast.Attribute) and value.attr in _RETURNING + _CHANGING:
            return True
        return called is not None and _last(called) in _RETURNING + _SWITCHES
    return any(_last(one) in _SWITCHES for one in getattr(statement, "decorator_list", ()))


def _applies(function: _Function, *, in_module: bool) -> bool:
    """Whether a function calls what may be a module in a known mode.

    That is what it has made itself, and unless it is a method of a module, which may be in any mode, what it was given
    or holds; methods of tensors and of collections do not count.
    """
    nodes = list(ast.walk(function))
    made = {
        target.id
        for node in nodes
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    given = set() if in_module else {node.arg for node in nodes if isinstance(node, ast.arg)}
    for node in nodes:
        if isinstance(node, ast.Call):
            direct = isinstance(node.func, ast.Name)
            if direct and _name(node.func) in made:
                return True
            if not in_module and (direct or not _is_of_data(node.func)):
                if _root(node.func) in given | made or _is_of_call(node.func):
                    return True
    return False


def _is_of_call(func: ast.expr) -> bool:
    """Whether what is called, or whose method is, was made by a call of a name right there: `Net().forward`."""
    made = func.value if isinstance(func, ast.Attribute) else func
    return isinstance(made, ast.Call) and isinstance(made.func, ast.Name)


def _is_of_data(method: ast.expr) -> bool:
    """Whether a method is one of tensors or of collections, by its name: no module is applied by it."""
    name = _last(method) or ""
    return name.endswith("_") or name in _OF_DATA


def _in_constructor(at: _At) -> bool:
    """Whether what is made becomes a part of an object, which may be in any mode."""
    return at.cls is not None and bool(at.cls.bases) and at.function is not None and at.function.name == "__init__"


def _reaches(tree: ast.Module, text: str, lines: list[int], modules: set[str], switching: set[str]) -> bool:
    """Whether a function that makes a module on one of the lines, or that calls one that does, chooses a grad mode.

    Or calls what does. A part that a constructor makes is in the mode of the whole, which may be any.
    """
    pending: set[_Function] = set()
    for at in _statements(tree, lines, None, None):
        makes = any(isinstance(node, ast.Call) and _last(node.func) in modules for node in _own(at.statement))
        if makes and not _in_constructor(at):
            if at.function is None:
                return True
            pending.add(at.function)
    calls = {one: _called(one) for one in pending}
    if pending:
        whole = file_tree(text) or tree
        calls |= {one: _called(one) for one in whole.body if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef))}
    seen: set[_Function] = set()
    while pending:
        maker = pending.pop()
        seen.add(maker)
        if maker.name in switching or calls[maker] & switching:
            return True
        pending |= {one for one, names in calls.items() if maker.name in names} - seen
    return False


def _called(function: _Function) -> set[str]:
    return {_last(node.func) or "" for node in ast.walk(function) if isinstance(node, ast.Call)}


def _may_drop(node: ast.AST, at: _At) -> bool:
    """Whether this is dropout that does not surely ask for the mode of a module."""
    if isinstance(node, ast.Assign):  # a layer that gets a name of its own, elsewhere than in a constructor
        kept = isinstance(node.value, ast.Call) and _is_layer(node.value) and isinstance(node.targets[0], ast.Name)
        return kept and _name(at.function) != "__init__"
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Call):
        return _is_layer(node.func)
    name = _last(node.func) or ""
    given = {one.arg: one.value for one in node.keywords}
    if None in given or any(isinstance(one, ast.Starred) for one in node.args):
        return False  # nobody could say what it is told
    if name == _ATTENTION[0]:
        rate = given.get("dropout_p") or (node.args[4] if len(node.args) > 4 else None)
        return rate is not None and not _asks(rate) and not (isinstance(rate, ast.Constant) and not rate.value)
    if name == _ATTENTION[1]:
        return True
    if not re.fullmatch(r"\w*dropout[123]?d?", name) or _is_of_argument(node.func, at):
        return False
    flag = given.get("training") or given.get("train") or (node.args[2] if len(node.args) > 2 else None)
    return flag is None or not _asks(flag)


def _is_layer(call: ast.Call) -> bool:
    return "Dropout" in (_last(call.func) or "")


def _is_of_argument(func: ast.expr, at: _At) -> bool:
    """Whether a method is called of something that a function was given: of `self`, say."""
    if at.function is None or isinstance(func, ast.Name):
        return False
    arguments = at.function.args
    return _root(func) in {one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}


def _asks(flag: ast.expr) -> bool:
    """Whether a value is made of the mode of a module: `self.training`."""
    return any(isinstance(one, ast.Attribute) and one.attr == "training" for one in ast.walk(flag))


def _root(node: ast.AST) -> str | None:
    """The name that an expression begins with: `x` of `x.y[0].z`."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return _name(node)


def _last(node: ast.AST) -> str | None:
    """The last part of a dotted name."""
    return node.attr if isinstance(node, ast.Attribute) else _name(node)


def _name(node: ast.AST | None) -> str | None:
    match node:
        case ast.Name(name) | ast.FunctionDef(name) | ast.AsyncFunctionDef(name):
            return name
    return None
