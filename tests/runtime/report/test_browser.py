"""The pages in a real browser: what a person sees, at every width, and on paper."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.runtime.report import page
from phi3scaffold.runtime.report.made import Made
from tests.runtime.report.test_page import ODD
from tests.support.browser import chromium

WIDTHS = (360, 800, 1280)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def open_page(browser: Any, tiny_project: Path) -> Any:
    """Opens the run's own page; what goes wrong in it, and what it asks for, is in `.asked`."""

    def opened(path: Path | None = None, width: int = 800, scheme: str = "light") -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
        )
        tab = context.new_page()
        tab.asked = []
        tab.on("request", lambda request: tab.asked.append(request.url))
        tab.on("console", lambda message: tab.asked.append(message.text))
        tab.on("pageerror", lambda error: tab.asked.append(str(error)))
        tab.goto((path or tiny_project / "gen-model" / "report" / "index.html").as_uri())
        return tab

    return opened


def test_it_opens_from_the_disk_and_shows_the_metrics(open_page: Any, tiny_project: Path) -> None:
    tab = open_page()
    assert len(tab.asked) == 1, tab.asked  # itself: no network, no error
    metrics = json.loads((tiny_project / "gen-model" / "evaluation" / "metrics.json").read_text())
    quality, cost = (
        tab.get_by_role("table", name=name) for name in ("How well it answers", "What it costs")
    )
    for name, rung in metrics["forms"].items():
        row = quality.get_by_role("row", name=name)
        low, high = rung["accuracy_interval"]
        for told in (f"{rung['accuracy']:.1%}", f"{100 * low:.1f} to {100 * high:.1f}"):
            assert row.get_by_role("cell", name=told, exact=True).first.is_visible(), (name, told)
        speed = f"{rung['tokens_per_second']:.0f}"
        assert cost.get_by_role("row", name=name).get_by_role("cell", name=speed).is_visible()
    assert tab.get_by_role("heading", name="Released").is_visible()
    assert tab.get_by_text("demonstration model", exact=False).first.is_visible()
    for name in ("How many answers are right", "Loss while training", "Expected and given labels"):
        box = tab.get_by_role("img", name=name).bounding_box()
        assert box["width"] > 250 and box["height"] > 80, name


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_runs_off_the_screen(width: int, open_page: Any) -> None:
    tab = open_page(width=width)
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    hidden = """[...document.querySelectorAll('svg text')].filter(e => {
        const r = e.getBoundingClientRect();
        return r.left < 0 || r.right > innerWidth + 1 || r.height < 3;
    }).map(e => e.textContent)"""
    assert tab.evaluate(hidden) == []


def test_light_and_dark_have_colours_of_their_own_that_can_be_read(open_page: Any) -> None:
    """WCAG's contrast of 4.5 for text, on the page and in the pictures."""
    contrast = """() => {
      const light = c => { const v = c.match(/[0-9.]+/g).slice(0, 3).map(Number).map(x => x / 255)
        .map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
        return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2]; };
      const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      const paper = light(getComputedStyle(document.body).backgroundColor);
      const worst = what => Math.min(...[...document.querySelectorAll(what)].map(e => {
        const s = getComputedStyle(e);
        return ratio(light(e.closest('svg') ? s.fill : s.color), paper);
      }));
      return [paper, worst('p, th, td, dt, dd, li, h1, h2, strong, code'), worst('svg text')];
    }"""
    seen = [open_page(scheme=scheme).evaluate(contrast) for scheme in ("light", "dark")]
    assert seen[0][0] > 0.9 and seen[1][0] < 0.02
    assert min(seen[0][1:] + seen[1][1:]) >= 4.5, seen


def test_it_prints(open_page: Any) -> None:
    tab = open_page(scheme="dark")
    pdf = tab.pdf(format="A4")
    assert pdf[:5] == b"%PDF-"
    assert 2 <= pdf.count(b"/Type /Page\n") <= 12
    tab.emulate_media(media="print")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize("name", ["forty labels", "long labels", "right to left", "html"])
def test_odd_texts_stay_inside(name: str, real: Made, open_page: Any, tmp_path: Path) -> None:
    page.write(ODD[name][0](copy.deepcopy(real)), tmp_path / "index.html")
    tab = open_page(tmp_path / "index.html", width=360)
    assert len(tab.asked) == 1, tab.asked
    assert tab.evaluate("document.documentElement.scrollWidth") == 360
