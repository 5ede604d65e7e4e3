"""The html report in a browser: trails are followed by clicks and keys, and nothing is fetched or complained about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commands import EXAMPLES, FIXTURES, torchmode
from outputs.conftest import address, set_scheme

PROJECT = FIXTURES / "projects" / "scripts_and_utils"
ENTER, ESCAPE, LEFT, RIGHT = "\ue007", "\ue00c", "\ue012", "\ue014"

# The lowest contrast of visible text with what it stands on, as WCAG 2 defines it, and the text.
CONTRAST = """
const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
const linear = (c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
const ground = (one) => {
  for (; one; one = one.parentElement) {
    const colour = parse(getComputedStyle(one).backgroundColor);
    if (colour.length < 4 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
};
let worst = [99, ""];
for (const one of document.querySelectorAll("body *")) {
  const own = [...one.childNodes].filter((node) => node.nodeType === 3 && node.textContent.trim());
  const colour = parse(getComputedStyle(one).color);
  if (!own.length || !one.checkVisibility() || colour[3] === 0) continue;
  const [a, b] = [light(colour), light(ground(one))].sort((x, y) => y - x);
  const contrast = (a + 0.05) / (b + 0.05);
  if (contrast < worst[0]) worst = [contrast, own[0].textContent];
}
return worst;
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    paths = (EXAMPLES / "digits_wrong.py", EXAMPLES / "characters_wrong.py", PROJECT)
    ended = torchmode("check", "--isolated", "--output-format", "html", "--output-file", path, *paths)
    assert ended.code == 1
    return path


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Any]:  # noqa: ANN401
    set_scheme(browser, "light")
    browser.get("about:blank")
    browser.get(address(report))
    yield browser
    assert browser.get_log("browser") == []
    assert browser.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)") == []


def find(page: Any, selector: str) -> Any:  # noqa: ANN401
    return page.find_element("css selector", selector)


def all_of(page: Any, selector: str) -> list[Any]:  # noqa: ANN401
    return list(page.find_elements("css selector", selector))


def in_sight(page: Any, one: Any) -> bool:  # noqa: ANN401
    script = "const at = arguments[0].getBoundingClientRect(); return at.top >= 0 && at.bottom <= innerHeight"
    return bool(page.execute_script(script, one))


def diagnostic_in(page: Any, path: str) -> Any:  # noqa: ANN401
    """The row of the first diagnostic of a file, reached by the list at the side."""
    (entry, *_) = page.find_elements("xpath", f"//nav//h3[contains(., '{path}')]/following-sibling::ol[1]//a")
    entry.click()
    row = find(page, ":target")
    assert in_sight(page, row.find_element("css selector", "h3"))
    return row


def test_a_trail_is_followed_by_clicks_into_another_file(page: Any) -> None:  # noqa: ANN401
    steps = diagnostic_in(page, "scripts_and_utils/train.py").find_elements("css selector", ".trail a")
    texts = [step.text.rpartition("/")[2] for step in steps]
    assert {text.partition(":")[0] for text in texts} == {"train.py", "utils.py"}
    for number, text in enumerate(texts):
        steps[number].click()
        line = find(page, ":target")
        assert line.find_element("css selector", "th").text == text.rpartition(":")[2]
        assert in_sight(page, line)
        section = line.find_element("xpath", "ancestor::section").find_element("css selector", "h2").text
        assert text.partition(":")[0] in section
        assert f"{number + 1} of {len(texts)}" in find(page, "#bar").text
        page.back()


def test_a_trail_is_followed_by_its_bar_and_by_keys(page: Any) -> None:  # noqa: ANN401
    row = diagnostic_in(page, "digits_wrong.py")
    assert not find(page, "#bar").is_displayed()
    (first, *others) = row.find_elements("css selector", ".trail a")
    first.send_keys(ENTER)
    targets = [find(page, ":target th").text]
    for _ in others:
        find(page, "body").send_keys(RIGHT)
        targets.append(find(page, ":target th").text)
        assert in_sight(page, find(page, ":target"))
    assert targets == [step.text.rpartition(":")[2] for step in (first, *others)]
    marked = [one.text for one in all_of(page, "mark.now")]
    assert "model(images)" in "".join(marked)
    find(page, "body").send_keys(LEFT)
    assert find(page, ":target th").text == targets[-2]
    find(page, "#bar button").click()
    assert find(page, ":target th").text == targets[-3]
    find(page, "body").send_keys(ESCAPE)
    assert not find(page, "#bar").is_displayed()
    assert find(page, ":target").get_attribute("id") == row.get_attribute("id")
    assert page.switch_to.active_element.get_attribute("href") == first.get_attribute("href")


def test_a_line_of_a_trail_leads_back(page: Any) -> None:  # noqa: ANN401
    (badge, *_) = all_of(page, ".badge")
    badge.click()
    assert "diagnostic" in find(page, ":target").get_attribute("class")


def test_what_each_call_brings_is_opened(page: Any) -> None:  # noqa: ANN401
    (button, *_) = all_of(page, "td button")
    name = button.get_attribute("popovertarget")
    assert not find(page, f"#{name}").is_displayed()
    button.send_keys(ENTER)
    assert "called in" in find(page, f"#{name}").text
    find(page, "body").send_keys(ESCAPE)
    assert not find(page, f"#{name}").is_displayed()


def test_rules_are_opened_and_left_out(page: Any) -> None:  # noqa: ANN401
    row = diagnostic_in(page, "digits_wrong.py")
    row.find_element("css selector", "h3 a").click()
    assert "Why is this bad" in find(page, "#TML101").text
    button = find(page, '.filters button[value="TML101"]')
    button.click()
    assert not row.is_displayed()
    assert find(page, '[data-code="TML201"]').is_displayed()
    button.click()
    assert row.is_displayed()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_in_the_light_and_in_the_dark(page: Any, scheme: str) -> None:  # noqa: ANN401
    set_scheme(page, scheme)
    find(page, "header summary").click()
    contrast, text = page.execute_script(CONTRAST)
    assert contrast >= 4.5, text


def test_without_its_script_it_says_the_same(page: Any, report: Path) -> None:  # noqa: ANN401
    bare = report.with_name("bare.html")
    before, _, rest = report.read_text().partition("<script>")
    bare.write_text(before + rest.partition("</script>")[2])
    read = "return document.querySelector('main').innerText"
    whole = page.execute_script(read)
    page.get(address(bare))
    assert page.execute_script(read) == whole
    step = find(page, ".trail a")
    step.click()
    assert find(page, ":target th").text == step.text.rpartition(":")[2]
    (button, *_) = all_of(page, "td button")
    button.send_keys(ENTER)
    assert "called in" in find(page, f"#{button.get_attribute('popovertarget')}").text
