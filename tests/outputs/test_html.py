"""The html report as text: it needs nothing, says what the others say, and whatever it quotes stays text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from commands import BAD, EXAMPLES, FIXTURES, ROOT, check, inside, torchmode
from outputs.pages import Element, read_page
from torchmode_lint.report.code import Piece, line_as_html, words_of
from torchmode_lint.report.pages import rule_as_html
from torchmode_lint.rules import ALL_RULES

PATHS = (EXAMPLES, FIXTURES / "projects" / "scripts_and_utils", FIXTURES / "graph_leak")
NASTY = """</script></style><img src=x onerror="alert(1)">&amp;<!-- '"""


@cache
def page_of(*paths: Path, cwd: Path = ROOT) -> str:
    ended = inside("check", "--isolated", "--output-format", "html", *paths, cwd=cwd)
    assert ended.err == ""
    return ended.out


def rows(page: Element, path: str) -> dict[int, Element]:
    """The lines of a file by their numbers."""
    (section,) = (one for one in page.all("section", "file") if one.all("h2")[0].text.startswith(path))
    lines = (row for row in section.all("tr") if row.attributes.get("id", "").startswith("f"))
    return {int(row.all("th")[0].text): row for row in lines}


def beside(row: Element) -> tuple[str, ...]:
    """What stands in the cells between the number and the source."""
    return tuple(" ".join(one.text for one in cell.all("span", "state")) for cell in row.all("td")[:3])


def test_it_asks_for_nothing_from_anywhere() -> None:
    text = page_of(*PATHS)
    page = read_page(text)
    for one in page.walk():
        assert one.tag not in ("img", "iframe", "object", "base")
        for name in ("src", "href", "action", "srcset"):
            assert one.attributes.get(name, "#").startswith(("#", "data:,"))
        assert not any(name.startswith("on") or name == "style" for name in one.attributes)
    (policy,) = (m.attributes["content"] for m in page.all("meta") if "http-equiv" in m.attributes)
    assert policy.startswith("default-src 'none'")
    for tag in ("script", "style"):
        (content,) = (one.text for one in page.all(tag))
        mark = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{mark}'" in policy
        assert not re.search(r"https?:|@import|url\(|fetch\(|import\(", content)


def test_every_link_leads_somewhere() -> None:
    page = read_page(page_of(*PATHS))
    names = [one.attributes["id"] for one in page.walk() if "id" in one.attributes]
    assert len(names) == len(set(names))
    targets = [a.attributes["href"][1:] for a in page.all("a")]
    targets += [b.attributes["popovertarget"] for b in page.all("button") if "popovertarget" in b.attributes]
    assert set(targets) <= set(names)


def test_it_says_what_json_says() -> None:
    page = read_page(page_of(*PATHS))
    findings = check(*PATHS).document["findings"]
    shown = page.all("tr", "diagnostic")
    assert len(shown) == len(findings) > 20
    for row, finding in zip(shown, findings, strict=True):
        assert finding["code"] in row.all("h3")[0].text
        assert row.all("p")[0].text == finding["message"].replace("`", "")
        steps = [step.all("a")[0].text for step in row.all("li")]
        expected = [f"{step['path']}:{step['line']}" for step in finding["trail"]]
        assert steps[: len(expected)] == expected
        assert bool(row.all("details", "fix")) == (finding["fix"] is not None)
        line = rows(page, finding["path"])[finding["line"]]
        assert "hit" in line.attributes["class"]
        number = shown.index(row) + 1
        (mark, *_) = (m for m in line.all("mark") if f"d{number}" in m.attributes["data-in"].split())
        source = (ROOT / finding["path"]).read_text().split("\n")[finding["line"] - 1]
        assert source[finding["column"] - 1 :].startswith(mark.text)


def test_source_is_shown_as_it_is_and_states_beside_it() -> None:
    page = read_page(page_of(*PATHS))
    lines = rows(page, "examples/digits_wrong.py")
    source = (EXAMPLES / "digits_wrong.py").read_text().splitlines()
    assert [row.all("code")[0].text for row in lines.values()] == source
    assert beside(lines[54]) == ("model train", "off", "")
    assert beside(lines[45]) == ("model train", "on", "optimizer filled")
    assert beside(lines[64]) == ("model train", "on", "optimizer clean or stale")
    assert beside(lines[58]) == ("", "", "")


def test_a_fix_shows_what_it_changes() -> None:
    page = read_page(page_of(*PATHS))
    (fix, *_) = (row.all("details", "fix")[0] for row in page.all("tr", "diagnostic") if "DigitNet" in row.text)
    assert [one.text for one in fix.all("ins")] == ["+    model.eval()"]
    assert fix.all("del") == []
    shown = fix.all("pre")[0].text.splitlines()
    assert shown == ["⋯", "     correct = 0", "+    model.eval()", "     for images, labels in loader:"]


def test_a_function_that_calls_enter_in_different_states_says_so() -> None:
    page = read_page(page_of(*PATHS))
    lines = rows(page, "tests/fixtures/projects/scripts_and_utils/utils.py")
    (cell,) = (cell for cell in lines[7].all("td", "mode"))
    assert cell.all("button")[0].text == "3 calls"
    (told,) = cell.all("div", "calls")
    ways = {item.text.partition(":")[2][:2]: item.all("span")[0].text for item in told.all("li")}
    assert ways == {"20": "model train", "18": "model eval", "28": "model eval"}
    assert set(lines) < set(range(1, 21)), "of a file without diagnostics only the lines around the trail"


def test_whatever_is_quoted_stays_text(tmp_path: Path) -> None:
    name = "<b>&'.py"
    (tmp_path / name).write_text(f"{BAD.rstrip()}  # {NASTY}\nx = '''{NASTY}\n\x1b[0m\u202e'''\n")
    page = read_page(page_of(Path(name), cwd=tmp_path))
    assert not page.all("img") and not page.all("b", "")
    assert len(page.all("script")) == len(page.all("style")) == 1
    lines = rows(page, name)
    assert lines[4].all("code")[0].text == f"net.eval  # {NASTY}"
    assert lines[6].all("code")[0].text == "·[0m·'''"


def test_a_notebook_is_shown_by_its_cells(tmp_path: Path) -> None:
    sources = ["import torch\nnet = torch.nn.Dropout()", "net.eval"]
    cells = [{"cell_type": "markdown", "source": "#"}, *({"cell_type": "code", "source": one} for one in sources)]
    (tmp_path / "a.ipynb").write_text(json.dumps({"nbformat": 4, "cells": cells, "metadata": {}}))
    page = read_page(page_of(Path("a.ipynb"), cwd=tmp_path))
    assert [row.text.strip() for row in page.all("tr", "cell")] == ["cell 1", "cell 2"]
    (row,) = page.all("tr", "hit")
    assert (row.attributes["id"], row.all("code")[0].text) == ("f1-2-1", "net.eval")
    assert beside(row) == ("net train", "on", "")


def test_what_could_not_be_checked_and_what_is_right(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import torch\ndef f(:\n")
    assert "TML902" in read_page(page_of(Path("broken.py"), cwd=tmp_path)).all("section", "errors")[0].text
    (tmp_path / "good.py").write_text("import torch\n")
    assert "Nothing to report." in read_page(page_of(Path("good.py"), cwd=tmp_path)).text


def test_results_of_earlier_runs_and_of_workers_give_the_same_page() -> None:
    arguments = ("check", "--isolated", "--output-format", "html", *PATHS)
    assert torchmode(*arguments).out == page_of(*PATHS)
    assert torchmode(*arguments, "--no-cache", "--jobs", "2").out == page_of(*PATHS)


@given(st.text(alphabet="ab <&\"'\t\u202e", max_size=12), st.data())
def test_a_line_keeps_its_text_whatever_is_marked_in_it(line: str, data: st.DataObject) -> None:
    edges = st.integers(0, len(line) + 2)
    pieces = st.lists(st.builds(Piece, edges, edges, st.sampled_from(["x", "y"])), max_size=4)
    shown = read_page(line_as_html(line, data.draw(pieces), data.draw(pieces)))
    assert shown.text == line.replace("\u202e", "·")


def test_words_and_what_is_no_python() -> None:
    words = words_of(["def f():", '    """a', '    b"""', "    return 1  # c"])
    names = ["".join(piece.name for piece in pieces) for _, pieces in sorted(words.items())]
    assert names == ["kd", "s", "s", "knc"]
    assert list(words_of(["if x:", "'''never closed"]))[:1] == [1]


def test_pages_of_rules_are_whole() -> None:
    for rule in ALL_RULES:
        page = read_page(rule_as_html(rule))
        assert [heading.text for heading in page.all("h4")] == re.findall(r"^## (.+)$", rule.doc, re.MULTILINE)
        words = re.findall(r"\w+", page.text)
        assert words == re.findall(r"\w+", rule.doc)
