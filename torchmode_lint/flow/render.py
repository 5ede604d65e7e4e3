"""A control-flow graph as text, for tests and people, and as a Mermaid diagram, for the documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from torchmode_lint.flow import cfg
from torchmode_lint.flow import events as ev
from torchmode_lint.flow.scopes import shown

_INFIX = (ev.Binary, ev.InPlace, ev.Compare)
_HIDDEN = {"index", "syntax", "dst"}


def to_text(code: cfg.Code, nested: bool = False) -> str:
    """One line an event; blocks with their handlers and loops. With `nested`, the codes inside follow."""
    return "\n\n".join("\n".join(_text_lines(one)) for one in _codes(code, nested)) + "\n"


def to_mermaid(code: cfg.Code, nested: bool = False) -> str:
    """A `flowchart`: a node a block, dashed arrows into handlers, a subgraph a code."""
    lines = ["flowchart TD"]
    for number, one in enumerate(_codes(code, nested)):
        lines.append(f'  subgraph c{number}["{_escape(_title(one))}"]')
        for block in one.blocks:
            inside = [str(block.number), *map(describe, block.events), _ending(block, places=False)]
            label = "<br/>".join(_escape(line) for line in inside if line)
            lines.append(f'    c{number}b{block.number}["{label}"]')
            lines.extend(f"    c{number}b{block.number} {arrow}" for arrow in _arrows(block, f"c{number}b"))
        lines.append("  end")
    return "\n".join(lines) + "\n"


def describe(event: ev.Event) -> str:
    """An event in one line: `r2 = call r0(r1, training=r3)`."""
    text = _describe(event)
    dst = getattr(event, "dst", None)
    return text if dst is None else f"r{dst} = {text}"


def _describe(event: ev.Event) -> str:
    kind = type(event).__name__.lower()
    match event:
        case ev.Constant():
            return f"constant {_shortened(repr(event.value))}"
        case ev.Call():
            return f"call r{event.func}({_arguments(event.arguments)})"
        case ev.Build():
            return f"build {event.kind}({_arguments(event.items, event.keys)})"
        case ev.Unary():
            return f"unary {event.operator} r{event.operand}"
        case ev.Binary() | ev.InPlace() | ev.Compare():
            return f"{kind} r{event.left} {event.operator} r{event.right}"
        case ev.Unpack():
            targets = (("*" if n == event.star else "") + f"r{target}" for n, target in enumerate(event.targets))
            return f"{', '.join(targets)} = unpack r{event.src}"
        case ev.MakeFunction():
            defaults = ", ".join("-" if default is None else f"r{default}" for default in event.defaults)
            return f"function {event.code.name}({defaults}){_decorated(event.decorators)}"
        case ev.MakeClass():
            return f"class {event.code.name}({_arguments(event.bases)}){_decorated(event.decorators)}"
        case ev.ImportFrom():
            return f"from {'.' * event.level}{event.module} import {event.name}"
        case ev.Leave():
            return f"leave r{event.manager}"
    written = (_field(getattr(event, field.name)) for field in fields(event) if field.name not in _HIDDEN)
    return " ".join([kind, *(text for text in written if text)])


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _field(value: object) -> str:
    match value:
        case ev.Variable():
            return f"{value.name}@{shown(value.scope)}"
        case bool():
            return "delegate" if value else ""
        case int():
            return f"r{value}"
        case tuple():
            return ", ".join(map(_field, value))
        case None:
            return ""
    return str(value) or "''"


def _arguments(arguments: tuple[ev.Argument, ...], keys: tuple[int | None, ...] = ()) -> str:
    written = []
    for number, argument in enumerate(arguments):
        key = keys[number] if number < len(keys) else None
        name = f"{argument.keyword}=" if argument.keyword else "" if key is None else f"r{key}: "
        written.append(f"{name}{argument.star}r{argument.src}")
    return ", ".join(written)


def _decorated(decorators: tuple[int, ...]) -> str:
    return "".join(f" @r{decorator}" for decorator in decorators)


def _ending(block: cfg.Block, places: bool = True) -> str:
    """How a block ends; without `places`, only what the arrows of a diagram do not say."""
    match block.end:
        case cfg.Jump(target):
            return f"jump {target.number}" if places else ""
        case cfg.Branch(condition, then, otherwise):
            return f"branch r{condition}" + (f" ? {then.number} : {otherwise.number}" if places else "")
        case cfg.Next(iterator, dst, body, done):
            return f"r{dst} = next r{iterator}" + (f" ? {body.number} : {done.number}" if places else "")
        case cfg.Return(value):
            return "return" if value is None else f"return r{value}"
        case cfg.Raise(value):
            return "raise" if value is None else f"raise r{value}"
        case cfg.Suppress(enter, resume):
            return f"suppress r{enter.manager}" + (f" ? {resume.number}" if places else "")
    return "?"


def _arrows(block: cfg.Block, prefix: str) -> Iterator[str]:
    match block.end:
        case cfg.Jump(target):
            yield f"--> {prefix}{target.number}"
        case cfg.Branch(_, then, otherwise):
            yield f"-->|true| {prefix}{then.number}"
            yield f"-->|false| {prefix}{otherwise.number}"
        case cfg.Next(_, _, body, done):
            yield f"-->|next| {prefix}{body.number}"
            yield f"-->|done| {prefix}{done.number}"
        case cfg.Suppress(_, resume):
            yield f"-->|suppressed| {prefix}{resume.number}"
    for handler in block.handlers:
        yield f"-.-> {prefix}{handler.number}"


def _text_lines(code: cfg.Code) -> Iterator[str]:
    yield _title(code)
    for block in code.blocks:
        notes = [
            f"{word} {', '.join(str(other.number) for other in others)}"
            for word, others in (("in loop", block.loops), ("handlers", block.handlers))
            if others
        ]
        yield f"  {block.number}:" + (f"  ({'; '.join(notes)})" if notes else "")
        yield from (f"    {describe(event)}" for event in block.events)
        yield f"    {_ending(block)}"


def _title(code: cfg.Code) -> str:
    stars = {"*": "*", "**": "**"}
    names = [stars.get(p.kind, "") + p.name + ("=" if p.has_default else "") for p in code.parameters]
    words = ["async"] * code.is_async + [code.kind, code.qualname + (f"({', '.join(names)})" if names else "")]
    return " ".join(word for word in words if word) + f" @{shown(code.scope)}"


def _codes(code: cfg.Code, nested: bool) -> Iterator[cfg.Code]:
    waiting = [code]
    while waiting:
        one = waiting.pop()
        yield one
        if nested:
            waiting.extend(reversed(one.codes))


def _escape(text: str) -> str:
    """Mermaid writes entities with a number sign, which must itself be one."""
    for character, entity in (("#", "35"), ("&", "amp"), ('"', "quot"), ("<", "lt"), (">", "gt"), (";", "59")):
        text = text.replace(character, f"\0{entity}\1")
    return text.replace("\0", "#").replace("\1", ";")
