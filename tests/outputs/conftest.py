"""A real browser, where there is one: Chromium, which is driven by Selenium.

Its tests are skipped where it is not installed, unless TORCHMODE_REQUIRE_BROWSER is set.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1400,900"
).split()


def _absent() -> list[str]:
    programs = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return [*programs, *(["selenium"] if importlib.util.find_spec("selenium") is None else [])]


def pytest_configure() -> None:
    if os.environ.get("TORCHMODE_REQUIRE_BROWSER") and _absent():
        raise pytest.UsageError(f"{', '.join(_absent())} must be installed (TORCHMODE_REQUIRE_BROWSER is set)")


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A driver of a browser with an empty profile."""
    if _absent():
        pytest.skip(f"not installed: {', '.join(_absent())} (see CONTRIBUTING.md)")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def set_scheme(driver: Any, scheme: str) -> None:  # noqa: ANN401
    """Ask the page for `light` or `dark`, and for no motion."""
    features = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def address(path: Path) -> str:
    return path.resolve().as_uri()
