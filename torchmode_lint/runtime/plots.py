"""The page `report.html`: the figures of each experiment, its curves as plots, and both programs.

One file, no scripts.
"""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Sequence

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from torchmode_lint.runtime.evidence import number, verdict
from torchmode_lint.runtime.laboratory import Measured, Outcome

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .3rem .8rem; border-bottom: 1px solid #ddd }
td.number { text-align: right; font-variant-numeric: tabular-nums }
.confirmed { color: #1a7f37 } .not { color: #b42318 }
.programs { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem } pre { overflow-x: auto; font-size: 12px;
background: #f6f8fa; padding: .8rem } img { max-width: 100% } h2 { border-top: 1px solid #ddd; padding-top: 1rem }
"""


def page(outcomes: Sequence[Outcome], facts: Sequence[Measured]) -> str:
    """The whole page."""
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>torchmode-lint: evidence</title>",
        f"<style>{_STYLE}</style></head><body><h1>Evidence</h1>",
        "<p>For every rule two programs that differ in one mistake, run on real data under the monitor.</p>",
        *(_section(outcome) for outcome in outcomes),
        "<h2>Facts</h2><table>",
        *(
            f"<tr><td>{_code(each.fact.claim)}</td><td class='number'>{number(each.value)}</td>"
            f"<td>{_verdict(each.holds, 'confirmed' if each.holds else 'NOT confirmed')}</td></tr>"
            for each in facts
        ),
        "</table></body></html>\n",
    ]
    return "\n".join(parts)


def _section(outcome: Outcome) -> str:
    experiment = outcome.experiment
    rows = "".join(
        f"<tr><td>{html.escape(what)}</td><td class='number'>{number(bad)}</td>"
        f"<td class='number'>{number(good)}</td></tr>"
        for what, bad, good, _ in outcome.differing
    )
    return (
        f"<h2 id='{experiment.code}'>{experiment.code} {experiment.name}</h2><p>{html.escape(experiment.story)} "
        f"{_verdict(outcome.confirmed, verdict(outcome))}</p>"
        f"<table><tr><th>figure</th><th>bad</th><th>good</th></tr>{rows}</table>{_curves(outcome)}"
        f"<div class='programs'><div><h3>bad</h3><pre>{html.escape(outcome.broken.source)}</pre></div>"
        f"<div><h3>good</h3><pre>{html.escape(outcome.good.source)}</pre></div></div>"
    )


def _curves(outcome: Outcome) -> str:
    """The figures that are lists, each in a plot of both programs."""
    bad, good = outcome.broken.figures, outcome.good.figures
    names = [name for name, value in good.items() if isinstance(value, list)]
    pictures = []
    for name in names:
        figure, axes = plt.subplots(figsize=(6, 2.6), layout="constrained")
        for figures, label, colour in ((bad, "bad", "#b42318"), (good, "good", "#1a7f37")):
            values = figures.get(name)
            if isinstance(values, list) and all(map(math.isfinite, values[:1])):
                axes.plot(range(1, len(values) + 1), values, label=label, color=colour, marker=".")
        axes.set_title(name)
        axes.legend()
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=110)
        plt.close(figure)
        data = base64.b64encode(stream.getvalue()).decode("ascii")
        pictures.append(f"<p><img alt='{html.escape(name)}, bad and good' src='data:image/png;base64,{data}'></p>")
    return "".join(pictures)


def _verdict(right: bool, words: str) -> str:
    return f"<strong class='{'confirmed' if right else 'not'}'>{html.escape(words)}</strong>"


def _code(text: str) -> str:
    """Backquoted words as code."""
    parts = html.escape(text).split("`")
    return "".join(f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(parts))
