"""The page as a person meets it: opened from disk in a browser, at a desk and on a phone, light and dark."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from report.browser import Browser, open_browser

from cosim.metrics import UNITS
from cosim.report import write_report
from cosim.results import Result

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def page(busy_run: Result) -> Path:
    assert busy_run.folder is not None
    return write_report([busy_run.folder])


@pytest.fixture
def clean(browser: Browser, page: Path) -> Iterator[Browser]:
    """The page at a desk; at the end nothing was complained about and nothing else asked for."""
    browser.open(page)
    yield browser
    assert browser.complaints() == []
    assert browser.addresses() == [page.resolve().as_uri()]


def test_headline_numbers_are_those_of_the_summary(clean: Browser, busy_run: Result) -> None:
    assert busy_run.folder is not None
    metrics = json.loads((busy_run.folder / "summary.json").read_text())["metrics"]
    for key, value in metrics.items():
        shown = clean.run(
            "const card = document.querySelector(`.card[data-key='${arguments[0]}']`);"
            "return [card.dataset.value, card.querySelector('.number').innerText]",
            key,
        )
        assert float(shown[0]) == value
        number, unit = shown[1].split()
        assert float(number.replace(",", "")) == pytest.approx(value, rel=1e-3, abs=5e-4)
        assert unit == UNITS[key]


STATE = """
const at = (selector, name) => [...document.querySelectorAll(selector)].map((node) => node.getAttribute(name));
return [at('.map .edge', 'stroke'), at('.marker .body', 'r'), at('.bus .dot', 'fill'),
        at('.chart .cursor', 'd'), document.querySelector('.player output').textContent];
"""


def test_slider_moves_map_feeder_and_charts(clean: Browser) -> None:
    move = (
        "const slider = document.querySelector('.player input'); slider.value = arguments[0];"
        "slider.dispatchEvent(new Event('input', { bubbles: true }));"
    )
    clean.run(move, 5)
    early = clean.run(STATE)
    clean.run(move, 45)
    late = clean.run(STATE)
    assert early[4] == "00:05:00"
    assert late[4] == "00:45:00"
    for before, after, what in zip(early, late, ("links", "queues", "voltages", "cursors", "clock"), strict=True):
        assert before != after, what


def test_what_a_marker_says_is_in_the_tables(clean: Browser, busy_run: Result) -> None:
    row = busy_run.stations[(busy_run.stations["time_s"] == 2700) & (busy_run.stations["station"] == "CS2")].iloc[0]
    clean.run("const s = document.querySelector('.player input'); s.value = 45; s.dispatchEvent(new Event('input'))")
    said = clean.run("return document.querySelectorAll('.marker')[1].getAttribute('aria-label')")
    assert f"{row['queued']} queued, {row['charging']} of 12 chargers in use, {row['en_route']} on the way" in said
    assert f"{row['power_kw']:,.1f} kW" in said or f"{row['power_kw']:,.0f} kW" in said


def test_play_and_keys(clean: Browser) -> None:
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    body = clean.driver.find_element("tag name", "body")
    index = "return Number(document.querySelector('.player input').value)"
    body.send_keys(Keys.HOME)
    assert clean.run(index) == 0
    body.send_keys(Keys.ARROW_RIGHT)
    assert clean.run(index) == 1
    clean.driver.find_element("css selector", ".play").click()
    WebDriverWait(clean.driver, 5).until(lambda _: clean.run(index) > 3)
    clean.driver.find_element("css selector", ".play").click()
    stopped = clean.run(index)
    assert "Play" in clean.driver.find_element("css selector", ".play").text
    assert clean.run(index) == stopped


def test_a_station_shows_its_bus_and_the_reverse(clean: Browser) -> None:
    click = "arguments[0].dispatchEvent(new MouseEvent('click', { bubbles: true }))"
    told = "return document.querySelector('.told').innerText"
    clean.run(click, clean.driver.find_elements("css selector", ".marker")[0])
    assert "Station CS1 at bus 24" in clean.run(told)
    assert clean.run("return document.querySelector('.bus.on').getAttribute('aria-label')").startswith("Bus 24")
    bus = clean.run("return [...document.querySelectorAll('.bus')].find((b) => b.ariaLabel.startsWith('Bus 32'))")
    clean.run(click, bus)
    assert "Station CS2 at bus 32" in clean.run(told)
    assert clean.run("return document.querySelectorAll('.marker.on').length") == 1


def test_zoom_brings_a_road_nearer(clean: Browser) -> None:
    wide = "const box = document.querySelector('.map .edge').getBBox(); return box.width + box.height"
    before = clean.run(wide)
    clean.driver.find_element("css selector", ".zoom button").click()
    assert clean.run(wide) == pytest.approx(1.5 * before, rel=0.1)


def test_tables_sort_and_charts_have_numbers(clean: Browser) -> None:
    column = (
        "const heads = [...document.querySelectorAll('table.sorts th')];"
        "const head = heads.find((h) => h.innerText.startsWith('asked'));"
        "head.querySelector('button').click();"
        "return [...head.closest('table').tBodies[0].rows].map((r) => Number(r.cells[head.cellIndex].dataset.sort))"
    )
    rising = clean.run(column)
    falling = clean.run(column)
    assert rising == sorted(rising)
    assert falling == rising[::-1]
    assert clean.run(
        "const d = document.querySelector('.chart details'); d.open = true;"
        "return new Promise((done) => setTimeout(() => done(d.querySelectorAll('tbody tr').length), 100))"
    )
    labels = clean.run("return [...document.querySelectorAll('.chart svg')].map((c) => c.getAttribute('aria-label'))")
    assert len(labels) > 10
    assert all(label and "NaN" not in label for label in labels)


CONTRAST = """
const style = getComputedStyle(document.documentElement);
const bright = (name) => {
  const hex = style.getPropertyValue(name).trim().slice(1);
  const parts = [0, 2, 4].map((k) => parseInt(hex.slice(k, k + 2), 16) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
};
const [a, b] = [bright(arguments[0]), bright(arguments[1])].sort((x, y) => y - x);
return (a + 0.05) / (b + 0.05);
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_readable_everywhere(browser: Browser, page: Path, width: int, scheme: str) -> None:
    browser.open(page, width=width, scheme=scheme)
    assert browser.run("return document.documentElement.scrollWidth") <= width, "nothing sticks out"
    small = browser.run(
        "return [...document.querySelectorAll('svg text, main *')].filter((n) => n.textContent.trim() &&"
        "parseFloat(getComputedStyle(n).fontSize) < 11).length"
    )
    assert small == 0
    assert browser.run("return document.documentElement.dataset.theme") == scheme
    for text in ("--ink", "--muted", "--accent"):
        assert browser.run(CONTRAST, text, "--panel") >= 4.5, f"{text}: WCAG's ratio for text"
    for drawn in ("--c0", "--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--grey"):
        assert browser.run(CONTRAST, drawn, "--panel") >= 3.0, f"{drawn}: WCAG's ratio for what is drawn"
    browser.driver.find_element("id", "theme").click()
    assert browser.run("return document.documentElement.dataset.theme") != scheme
    assert browser.complaints() == []
