"""Small programs, a few for every kind of statement, marked with what can be reached in them."""

from __future__ import annotations

from textwrap import dedent

_TEXT = """
live(1)
---
def f():
    live(1)
    return 1
    dead(2)
live(3)
---
def f():
    if x:
        return live(1)
    else:
        raise live(2)
    dead(3)
---
if a:
    live(1)
elif b:
    live(2)
elif c:
    live(3)
live(4)
---
if True:
    live(1)
else:
    dead(2)
---
if not True:
    dead(1)
elif 0:
    dead(2)
else:
    live(3)
---
if a and False:
    dead(1)
live(2)
---
if a or True:
    live(1)
else:
    dead(2)
---
if not (a and not b):
    live(1)
else:
    live(2)
---
while True:
    live(1)
dead(2)
---
while 1:
    live(1)
    if x:
        break
    live(2)
else:
    dead(3)
live(4)
---
while x:
    live(1)
    continue
    dead(2)
else:
    live(3)
live(4)
---
while x:
    live(1)
    break
    dead(2)
else:
    live(3)
live(4)
---
while False:
    dead(1)
else:
    live(2)
---
for a in live(1):
    live(2)
    if a:
        continue
    if b:
        break
    live(3)
else:
    live(4)
live(5)
---
for a in b:
    return_ = live(1)
    break
else:
    live(2)
---
def f():
    for a in b:
        return
        dead(1)
    live(2)
---
def f():
    while True:
        try:
            live(1)
        except E:
            live(2)
            continue
        live(3)
    dead(4)
---
async def f():
    async for a in b:
        live(1)
    else:
        live(2)
    async with a as b, c:
        live(3)
        await live(4)
    live(5)
---
try:
    live(1)
except A:
    live(2)
except (B, C) as e:
    live(3)
except:
    live(4)
else:
    live(5)
finally:
    live(6)
live(7)
---
try:
    raise live(1)
except A:
    live(2)
else:
    dead(3)
live(4)
---
def f():
    try:
        return live(1)
    finally:
        live(2)
    dead(3)
---
def f():
    try:
        return live(1)
    except A:
        live(2)
    finally:
        live(3)
    live(4)
---
def f():
    try:
        raise live(1)
    finally:
        live(2)
    dead(3)
---
def f():
    while True:
        try:
            return live(1)
        finally:
            live(2)
            break
        dead(3)
    live(4)
---
def f():
    for a in b:
        try:
            return 1
        finally:
            continue
        dead(1)
    live(2)
---
for a in b:
    try:
        break
        dead(1)
    finally:
        live(2)
    dead(3)
live(4)
---
for a in b:
    try:
        continue
    finally:
        live(1)
    dead(2)
else:
    live(3)
---
def f():
    try:
        try:
            return live(1)
        finally:
            raise live(2)
    except A:
        live(3)
    finally:
        live(4)
    live(5)
---
def f():
    try:
        pass
    except A:
        dead(1)
    else:
        live(2)
    finally:
        live(3)
---
def f():
    try:
        live(1)
    except* A:
        live(2)
    except* B as e:
        live(3)
    else:
        live(4)
    live(5)
---
def f():
    try:
        live(1)
    except BaseException:
        return live(2)
    except A:
        live(3)
    live(4)
---
def f():
    try:
        try:
            raise live(1)
        except BaseException:
            live(2)
    except A:
        live(3)
    live(4)
---
def f():
    try:
        try:
            a = 1
        except BaseException:
            pass
    except A:
        live(1)
---
def f():
    with a:
        live(1)
        return 1
        dead(2)
    live(3)
---
with a as b, c as (d, e):
    live(1)
live(2)
---
with (
    a as b,
    c,
):
    raise live(1)
    dead(2)
live(3)
---
for a in b:
    with a:
        if c:
            break
        live(1)
        continue
    live(2)
else:
    live(3)
---
match x:
    case 1 | "a":
        live(1)
    case None:
        live(2)
    case [a, *b, {"k": c, **d}] if live(3):
        live(4)
    case C(1, z=D(q)) as e:
        live(5)
    case -1 | 1+2j | a.b:
        live(6)
    case (1, _):
        live(7)
    case _ if y:
        live(8)
    case f:
        live(9)
    case 3:
        dead(10)
live(11)
---
def f():
    match x:
        case 1:
            return
        case _:
            return
    dead(1)
---
def f():
    match x:
        case 1 | _:
            return live(1)
    dead(2)
---
def f():
    match x, y:
        case [a, b]:
            return
    live(1)
---
assert live(1), live(2)
live(3)
---
assert False, live(1)
dead(2)
---
def f():
    assert a and not b
    live(1)
---
a = live(1) if b else live(2)
a = live(3) if True else dead(4)
---
a = live(1) and live(2) or live(3)
---
a = 1 < live(1) < live(2)
if 1 < live(3) < live(4):
    live(5)
else:
    live(6)
---
a = [live(1) for b in live(2) if live(3) for c in d if not live(4)]
a = {live(5): live(6) for b in c}
a = {live(7) for b in c}
a = f(live(8) for b in c)
live(9)
---
a = [dead(1) for b in c if False]
live(2)
---
a = lambda: live(1)
b = lambda x=live(2), *y: (yield live(3))
---
@live(1)
class C(live(2), metaclass=live(3)):
    live(4)
    @live(5)
    def f(self, x=live(6)) -> None:
        live(7)
        def g():
            live(8)
live(9)
---
def f():
    x = yield live(1)
    live(2)
    yield from live(3)
    live(4)
    return (yield)
    dead(5)
---
x[live(1):live(2)] += live(3)
x.y -= live(4)
x, *(y, z.w), q[live(5)] = live(6)
x: live = live(7)
y.z: int = live(8)
del x, y[live(9)], (z, w.v)
global g
---
print(f"{live(1)!r:>{live(2)}} {x=}" "a" f"{live(3)}")
print(*live(4), **live(5), k=live(6))
---
import a.b, c.d as e
from . import f
from ..g import (h, i as j)
from k import *
live(1)
---
def f():
    raise live(1) from live(2)
    dead(3)
---
def f():
    while True:
        pass
    dead(1)
---
def f():
    while True:
        while True:
            break
        else:
            dead(1)
        live(2)
    dead(3)
---
def f():
    while a:
        while True:
            if b:
                return
        dead(1)
    live(2)
---
(live(1), [live(2), *live(3)], {live(4), *live(5)}, {live(6): live(7), **live(8)})
not live(9), -live(10), live(11) @ live(12), (x := live(13)), x[live(14), *live(15)]
---
type A = live(1)
type B[T: int, *Ts, **P] = live(2)
def f[T](x: T) -> T:
    live(3)
class C[T](live(4)):
    live(5)
---
if x: live(1); live(2)
else: live(3)
---
def f():
    try: return live(1)
    except A: pass
    else: dead(2)
    live(3)
"""

PROGRAMS = [dedent(part).strip() + "\n" for part in _TEXT.split("\n---\n")]
