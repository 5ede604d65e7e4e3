"""Fixes of dropout that does not ask for the mode of the module in whose forward it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from torchmode_lint.diagnostic import Fix
from torchmode_lint.fixes.draft import Draft
from torchmode_lint.torch_api import DROPPING

if TYPE_CHECKING:
    from torchmode_lint.analysis.program import Program, Unswitched
    from torchmode_lint.flow.cfg import Code


def ask_for_mode(program: Program, found: Unswitched) -> Fix | None:
    """`training=self.training`, or a rate of 0.0 without it; None where there is no `self`, or a layer is made."""
    call, told = found.event.node, DROPPING.get(found.what)
    owner = _owner(found.context.code)
    if owner is None or told is None or not isinstance(call, cst.Call):
        return None
    draft = Draft(program.source)
    if told.flag is not None:
        flag = _argument(call, told.flag, told.flag_name)
        if flag is not None:
            draft.replace(flag, f"{owner}.training")
        else:
            draft.keyword(call, told.flag_name, f"{owner}.training")
        return draft.fix(f"pass `{told.flag_name}={owner}.training`", safe=False)
    rate = _argument(call, told.rate, told.rate_name)
    if rate is None or isinstance(rate, (cst.IfExp, cst.Lambda)):
        return None
    draft.append(rate, f" if {owner}.training else 0.0")
    return draft.fix(f"let the rate be 0.0 unless `{owner}.training`", safe=False)


def _argument(call: cst.Call, position: int, name: str) -> cst.BaseExpression | None:
    for i, arg in enumerate(call.args):
        if (i == position and arg.keyword is None) or (arg.keyword is not None and arg.keyword.value == name):
            return arg.value
    return None


def _owner(code: Code) -> str | None:
    """What the module is called in a method of it, or in a function inside of one."""
    inside = []
    while code.parent is not None and code.parent.kind != "class":
        inside.append(code)
        code = code.parent
    if code.parent is None or not code.parameters or {"staticmethod", "classmethod"} & set(code.decorators):
        return None
    name = code.parameters[0].name
    return None if any(name in one.locals for one in inside) else name
