"""The pages in a real browser: what a person sees, at every width, and on paper."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phi3scaffold.pipeline import manifest
from phi3scaffold.reporting import report_page
from phi3scaffold.reporting.run_record import RunRecord
from tests.reporting.test_page import ODD
from tests.support.browser import chromium

WIDTHS = (360, 800, 1280)
MADE = {"finetune": "adapter", "export": "onnx", "evaluate": "evaluation", "gate": "release"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def open_page(browser: Any, tiny_project: Path) -> Any:
    """Opens the run's own page; what goes wrong in it, and what it asks for, is in `.asked`."""

    def opened(
        path: Path | None = None, width: int = 800, scheme: str = "light", script: bool = True
    ) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            offline=True,
            java_script_enabled=script,
        )
        tab = context.new_page()
        address = (path or tiny_project / "gen-model" / "report" / "index.html").as_uri()
        tab.asked = []

        def only_itself(route: Any) -> None:
            tab.asked.append(route.request.url)
            if route.request.url == address:
                route.continue_()
            else:
                route.abort()

        tab.route("**/*", only_itself)
        tab.on("console", lambda message: tab.asked.append(message.text))
        tab.on("pageerror", lambda error: tab.asked.append(str(error)))
        tab.goto(address)
        return tab

    return opened


def test_it_opens_from_the_disk_and_shows_the_metrics(open_page: Any, tiny_project: Path) -> None:
    tab = open_page()
    assert len(tab.asked) == 1, tab.asked  # itself: no network, no error
    metrics = json.loads((tiny_project / "gen-model" / "evaluation" / "metrics.json").read_text())
    quality, cost = (tab.get_by_role("table", name=name) for name in ("Quality", "Speed and size"))
    for name, form in metrics["forms"].items():
        row = quality.get_by_role("row", name=name)
        low, high = form["accuracy_interval"]
        for told in (f"{form['accuracy']:.1%}", f"{100 * low:.1f}-{100 * high:.1f}"):
            assert row.get_by_role("cell", name=told, exact=True).first.is_visible(), (name, told)
        speed = f"{form['tokens_per_second']:.0f}"
        assert cost.get_by_role("row", name=name).get_by_role("cell", name=speed).is_visible()
    assert tab.get_by_role("heading", name="Released").is_visible()
    assert tab.get_by_text("demonstration model", exact=False).first.is_visible()
    for name in ("Accuracy of the forms", "Training loss", "Confusion matrix"):
        box = tab.get_by_role("img", name=name).bounding_box()
        assert box["width"] > 250 and box["height"] > 80, name


def test_it_says_the_same_without_javascript(open_page: Any) -> None:
    with_it, without = (open_page(script=script) for script in (True, False))
    assert without.inner_text("body") == with_it.inner_text("body")
    assert without.locator("svg").count() >= 5


def test_headings_and_tables_have_an_order_that_can_be_heard(open_page: Any) -> None:
    tab = open_page()
    levels = tab.evaluate(
        "[...document.querySelectorAll('h1, h2, h3, h4')].map(e => Number(e.tagName[1]))"
    )
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), levels
    for name in ("svg", "table"):
        names = tab.locator(f"{name} > {'title' if name == 'svg' else 'caption'}").all_inner_texts()
        assert tab.locator(name).count() == len(names)
    assert all(text.strip() for text in tab.locator("th").all_inner_texts())


def test_the_loss_curve_is_the_history(open_page: Any, tiny_project: Path) -> None:
    """Every point: both curves' pixels are one and the same scale of (step, log loss)."""
    gen = tiny_project / "gen-model"
    history = json.loads((gen / "adapter" / "history.json").read_text())
    steps, losses = np.array([(e["step"], e["loss"]) for e in history if "loss" in e]).T
    picture = open_page().get_by_role("img", name="Training loss")

    def points(colour: str) -> np.ndarray:
        paths = picture.locator(f"path[style*='var(--{colour})']")
        drawn = [paths.nth(number).get_attribute("d") for number in range(paths.count())]
        return np.array(re.findall(r"[ML] (\S+) (\S+)", " ".join(drawn)), float)

    x, y = points("first").T
    across = np.polyfit(x[[0, -1]], steps[[0, -1]], 1)
    drawn_at = np.polyval(across, x)
    up = np.polyfit(np.interp(drawn_at, steps, np.log(losses)), y, 1)
    shown = np.interp(steps, drawn_at, y)
    assert np.abs(shown - np.polyval(up, np.log(losses))).max() < 1  # pixel
    looks = np.array([(e["step"], e["eval_loss"]) for e in history if "eval_loss" in e])
    assert len(looks) >= 5
    assert 0 <= steps[-1] - looks[-1, 0] < looks[1, 0] - looks[0, 0]
    watched = points("second")[: len(looks)]  # the line; its dots come after it
    assert np.abs(np.polyval(across, watched[:, 0]) - looks[:, 0]).max() < 0.5
    assert np.abs(watched[:, 1] - np.polyval(up, np.log(looks[:, 1]))).max() < 1


def test_the_matrix_is_that_of_the_metrics(open_page: Any, tiny_project: Path) -> None:
    metrics = json.loads((tiny_project / "gen-model" / "evaluation" / "metrics.json").read_text())
    picture = open_page().get_by_role("img", name="Confusion matrix")
    cells = picture.evaluate("""svg => [...svg.querySelectorAll('text')]
      .map(e => [e.textContent, e.getBoundingClientRect()])
      .filter(([text]) => /^([0-9,]+|·)$/.test(text))
      .map(([text, box]) => [Math.round(box.y / 5), box.x, text])""")
    lines = [
        [text for _, _, text in sorted(line, key=lambda cell: cell[1])]
        for _, line in itertools.groupby(sorted(cells, key=lambda c: c[0]), lambda cell: cell[0])
    ]
    table = metrics["forms"]["onnx"]["confusion"]
    end = None if any(line[-1] for line in table) else -1  # the column of answers that are no label
    assert lines == [[str(number or "·") for number in line[:end]] for line in table]


def test_rows_that_disagree_are_those_of_the_answers(
    open_page: Any, real: RunRecord, tmp_path: Path
) -> None:
    """Three rows are answered otherwise by one form: the run's own forms may all agree."""
    odd = copy.deepcopy(real)
    labels = sorted({row.expected for row in odd.answers})
    for row in odd.answers[:3]:
        other = next(label for label in labels if label != row.answers["adapter"].strip())
        row.answers["onnx"] = other
    report_page.write(odd, tmp_path / "index.html")
    rows = {row.place: row.to_json() for row in odd.answers}
    behind = ("adapter", "merged", "onnx")
    differing = {p for p, row in rows.items() if len({row[form].strip() for form in behind}) > 1}
    tab = open_page(tmp_path / "index.html")
    shown = tab.locator("h2:has-text('disagree') ~ .example").all()
    places = [one.locator("p.place").inner_text() for one in shown]
    assert 3 <= len(differing) <= 12 and set(places[: len(differing)]) == differing
    assert f"in {len(differing)} row" in tab.locator("h2:has-text('disagree') + p").inner_text()
    for one, place in zip(shown, places, strict=True):
        said = one.locator("li").all_inner_texts()
        assert said[0].split("\n")[-1] == rows[place]["expected"]
        for side in said[1:]:
            told, answer = side.split("\n")[0], side.split("\n")[-1]
            forms, verdict = told.split(": ")
            assert {rows[place][form].strip() for form in forms.split(", ")} == {answer}
            assert verdict == ("correct" if answer == rows[place]["expected"] else "wrong")


def test_hashes_versions_and_the_command_are_those_of_the_run(
    open_page: Any, tiny_project: Path
) -> None:
    tab = open_page()
    shown = dict(
        tab.evaluate(
            "[...document.querySelectorAll('.pairs div')].map(e => [...e.children]"
            ".map(c => c.textContent))"
        )
    )
    for name in ("train.jsonl", "held-out.jsonl", "dataset.yaml"):
        file = tiny_project / "datasets" / name
        assert shown[f"datasets/{name}"] == hashlib.sha256(file.read_bytes()).hexdigest()
    for stage, folder in MADE.items():
        made = manifest.read(tiny_project / "gen-model" / folder)
        timed = " (with times)" if stage in ("finetune", "evaluate", "gate") else ""
        assert made is not None and shown[f"output of {stage}{timed}"] == made.content
        assert {n: v for n, v in made.versions.items() if v}.items() <= shown.items()
    command = tab.locator(".sample pre").first.inner_text().split()
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=tiny_project, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_runs_off_the_screen(width: int, open_page: Any) -> None:
    tab = open_page(width=width)
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    hidden = """[...document.querySelectorAll('svg text')].filter(e => {
        const r = e.getBoundingClientRect();
        return r.left < 0 || r.right > innerWidth + 1 || r.height < 3;
    }).map(e => e.textContent)"""
    assert tab.evaluate(hidden) == []
    wide = """[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth)
        .map(e => e.getAttribute('aria-label'))"""
    assert tab.evaluate(wide) == []


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


@pytest.mark.parametrize("width", WIDTHS)
def test_settings_keep_to_their_column_names_and_numbers_to_their_line(
    width: int, real: RunRecord, open_page: Any, tmp_path: Path
) -> None:
    odd = copy.deepcopy(real)
    odd.config.passes["finetune"]["x" * 90] = "y" * 300
    report_page.write(odd, tmp_path / "index.html")
    tab = open_page(tmp_path / "index.html", width=width)
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    broken = """[...document.querySelectorAll('.pairs:not(.long) div')].filter(pair => {
        const [name, value] = pair.children, box = pair.getBoundingClientRect();
        return value.getBoundingClientRect().right > box.right + 1
          || (/^[0-9.]+$/.test(value.textContent) && value.getBoundingClientRect().height > 30)
          || (name.textContent.length < 45 && name.getBoundingClientRect().height > 30);
    }).map(pair => pair.textContent)"""
    assert tab.evaluate(broken) == []


@pytest.mark.parametrize(
    "name", ["forty labels", "long labels", "right to left", "html", "long answers"]
)
def test_odd_texts_stay_inside(name: str, real: RunRecord, open_page: Any, tmp_path: Path) -> None:
    report_page.write(ODD[name][0](copy.deepcopy(real)), tmp_path / "index.html")
    tab = open_page(tmp_path / "index.html", width=360)
    assert len(tab.asked) == 1, tab.asked
    assert tab.evaluate("document.documentElement.scrollWidth") == 360
