"""Functions, lambdas and classes: an event where they are made, and a `Code` lowered later for their body.

Bodies wait in a queue, so that nesting costs no recursion. A definition in a `finally` body that is
lowered several times has one `Code`.

Annotations of parameters and type parameters' bounds are not evaluated; the latter's names are
variables that nothing stores to.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from torchmode_lint.flow import events as ev
from torchmode_lint.flow.annotations import annotation_name, callee_name
from torchmode_lint.flow.build import Builder
from torchmode_lint.flow.cfg import Parameter, Return
from torchmode_lint.flow.dispatch import EXPRESSIONS, STATEMENTS, expression, suite
from torchmode_lint.flow.events import Register
from torchmode_lint.flow.lower_assign import assign
from torchmode_lint.flow.lower_expr import arguments
from torchmode_lint.flow.scopes import Scope


def _function(b: Builder, node: cst.FunctionDef) -> None:
    decorators = tuple([expression(b, decorator.decorator) for decorator in node.decorators])
    defaults = _defaults(b, node.params)
    code = b.file.code_of(node)
    if code is None:
        outer = type_scope(b, node, node.type_parameters)
        code = b.file.make_code(b, "function", node.name.value, node, outer, lambda inner: suite(inner, node.body))
        code.parameters = _parameters(b.file.scope_of(code), node.params)
        code.is_async = node.asynchronous is not None
        code.decorators = tuple([callee_name(decorator.decorator) for decorator in node.decorators])
    dst = b.register()
    b.emit(ev.MakeFunction(b.index(), node, dst, code, defaults, decorators))
    assign(b, node.name, dst)


def _lambda(b: Builder, node: cst.Lambda) -> Register:
    defaults = _defaults(b, node.params)
    code = b.file.code_of(node)
    if code is None:

        def body(inner: Builder) -> None:
            inner.end(Return(expression(inner, node.body)))

        code = b.file.make_code(b, "lambda", "<lambda>", node, b.scope, body)
        code.parameters = _parameters(b.file.scope_of(code), node.params)
    dst = b.register()
    b.emit(ev.MakeFunction(b.index(), node, dst, code, defaults, ()))
    return dst


def _class(b: Builder, node: cst.ClassDef) -> None:
    decorators = tuple([expression(b, decorator.decorator) for decorator in node.decorators])
    outside = b.scope
    b.scope = type_scope(b, node, node.type_parameters)
    bases = arguments(b, (*node.bases, *node.keywords))
    code = b.file.code_of(node)
    if code is None:
        code = b.file.make_code(b, "class", node.name.value, node, b.scope, lambda inner: suite(inner, node.body))
        code.decorators = tuple([callee_name(decorator.decorator) for decorator in node.decorators])
    b.scope = outside
    dst = b.register()
    b.emit(ev.MakeClass(b.index(), node, dst, code, bases, decorators))
    assign(b, node.name, dst)


def type_scope(b: Builder, node: cst.CSTNode, parameters: cst.TypeParameters | None) -> Scope:
    """The scope a definition's type parameters make around it; the present one if it has none."""
    if parameters is None:
        return b.scope
    scope = b.file.inner_scope("types", node, b)
    for parameter in parameters.params:
        scope.bind(parameter.param.name.value)
    return scope


def _type_alias(b: Builder, node: cst.TypeAlias) -> None:
    """Evaluated where it stands, although Python waits until it is asked."""
    outside = b.scope
    b.scope = type_scope(b, node, node.type_parameters)
    src = expression(b, node.value)
    b.scope = outside
    assign(b, node.name, src)


def _in_order(params: cst.Parameters | None) -> Iterator[tuple[str, cst.Param]]:
    if params is None:
        return
    for kind, several in (("positional", params.posonly_params), ("normal", params.params)):
        for param in several:
            yield kind, param
    if isinstance(params.star_arg, cst.Param):
        yield "*", params.star_arg
    for param in params.kwonly_params:
        yield "keyword", param
    if params.star_kwarg is not None:
        yield "**", params.star_kwarg


def _defaults(b: Builder, params: cst.Parameters) -> tuple[Register | None, ...]:
    return tuple([None if p.default is None else expression(b, p.default) for _, p in _in_order(params)])


def _parameters(scope: Scope, params: cst.Parameters) -> tuple[Parameter, ...]:
    found = []
    for kind, param in _in_order(params):
        scope.bind(param.name.value)
        name = annotation_name(param.annotation.annotation) if param.annotation else None
        found.append(Parameter(param.name.value, kind, name, param.default is not None))
    return tuple(found)


EXPRESSIONS[cst.Lambda] = _lambda
STATEMENTS.update({cst.FunctionDef: _function, cst.ClassDef: _class, cst.TypeAlias: _type_alias})
