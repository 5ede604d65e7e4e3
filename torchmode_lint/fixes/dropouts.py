"""Fixes of dropout that does not ask for the mode of the module in whose forward it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from torchmode_lint.diagnostic import Fix
from torchmode_lint.fixes.draft import Draft
from torchmode_lint.fixes.imports import Imports
from torchmode_lint.fixes.syntax import dotted, walk
from torchmode_lint.torch_api import DROPPING

if TYPE_CHECKING:
    from torchmode_lint.analysis.program import Program, Unswitched
    from torchmode_lint.flow.cfg import Code


_FUNCTIONS = {
    "Dropout": "dropout",
    "Dropout1d": "dropout1d",
    "Dropout2d": "dropout2d",
    "Dropout3d": "dropout3d",
    "AlphaDropout": "alpha_dropout",
    "FeatureAlphaDropout": "feature_alpha_dropout",
}


def ask_for_mode(program: Program, found: Unswitched) -> Fix | None:
    """`training=self.training`, or a rate of 0.0 without it; None where no module is in reach that could be asked."""
    call = found.event.node
    if not isinstance(call, cst.Call):
        return None
    draft = Draft(program.source)
    owner = _owner(found.context.code)
    if found.form == "built":
        return None if owner is None else _switch_layer(draft, found, call, owner)
    if owner is not None:
        return _switch(draft, found, call, f"{owner}.training")
    if _hand_down(draft, found):
        return _switch(draft, found, call, "training")
    return None


def _switch(draft: Draft, found: Unswitched, call: cst.Call, mode: str) -> Fix | None:
    """The flag of a call, or its rate, made to follow an expression that says whether there is training."""
    told = DROPPING[found.what]
    if told.flag is not None:
        flag = _argument(call, told.flag, told.flag_name)
        if flag is not None:
            draft.replace(flag, mode)
        else:
            draft.keyword(call, told.flag_name, mode)
        return draft.fix(f"pass `{told.flag_name}={mode}`", safe=False)
    rate = _argument(call, told.rate, told.rate_name)
    if rate is None or isinstance(rate, (cst.IfExp, cst.Lambda)):
        return None
    draft.append(rate, f" if {mode} else 0.0")
    return draft.fix(f"let the rate be 0.0 unless `{mode}`", safe=False)


def _switch_layer(draft: Draft, found: Unswitched, made: cst.Call, owner: str) -> Fix | None:
    """`F.dropout(x, p, training=self.training)` for `nn.Dropout(p)(x)`; any other new layer gets the module's mode."""
    applied = draft.syntax.parent(made)
    function = _FUNCTIONS.get(found.what.rpartition(".")[2])
    word = None if function is None else Imports(draft.syntax).functional(function)
    match applied:
        case cst.Call(func=func, args=[cst.Arg(keyword=None, star="", value=x)]) if func is made and word is not None:
            rates = [arg for arg in made.args if arg.keyword is None or arg.keyword.value == "p"]
            if len(rates) == len(made.args) <= 1 and "#" not in draft.syntax.text(applied):
                given = "".join(f"{draft.syntax.text(arg)}, " for arg in rates)
                draft.replace(applied, f"{word}({draft.syntax.text(x)}, {given}training={owner}.training)")
                return draft.fix(f"call `{word}` with `training={owner}.training`", safe=False)
    draft.append(made, f".train({owner}.training)")
    return draft.fix(f"give the layer the mode of `{owner}`", safe=False)


def _hand_down(draft: Draft, found: Unswitched) -> bool:
    """`training` as a parameter of a plain function, for the one call of it in the file, which a module makes."""
    code = found.context.code
    function = code.node
    if not isinstance(function, cst.FunctionDef) or code.parent is None or code.parent.kind != "file":
        return False
    call = found.calls[-1].event.node if found.calls else None
    owner = _owner(found.calls[-1].context.code) if found.calls else None
    named = [at for at in walk(draft.source.tree) if isinstance(at, cst.Name) and at.value == code.name]
    if owner is None or not isinstance(call, cst.Call) or len(named) != 2 or dotted(call.func) != code.name:
        return False
    if "training" in code.locals or function.params.star_kwarg is not None or not code.parameters:
        return False
    hinted = any(isinstance(at, cst.Annotation) for at in walk(function.params))
    draft.parameter(function, "training: bool = True" if hinted else "training=True")
    draft.keyword(call, "training", f"{owner}.training")
    return True


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
