"""The chat page as people meet it: small screens, the dark, a keyboard, a screen reader."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.chat_page import (
    SMILE,
    answered,
    at_rest,
    comes,
    endless,
    made_to_say,
    say,
)
from tests.support.server import Server, until

SEEN = """(element) => { const r = element.getBoundingClientRect();
  return r.left >= 0 && r.right <= innerWidth && r.width > 0 && r.height > 0; }"""
CONTRAST = """() => {
  const parts = c => c.match(/[0-9.]+/g).map(Number);
  const light = c => { const v = parts(c).slice(0, 3).map(x => x / 255)
    .map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2]; };
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const paper = e => { const c = getComputedStyle(e).backgroundColor;
    return parts(c)[3] === 0 && e.parentElement ? paper(e.parentElement) : c; };
  const seen = [...document.querySelectorAll('body *')].filter(e => e.checkVisibility()
    && e.getAttribute('aria-disabled') !== 'true' && !e.matches('.unseen, option')
    && ([...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())
      || e.matches('textarea, input')));
  const found = seen.map(e => [
    ratio(light(getComputedStyle(e).color), light(paper(e))), e.outerHTML]);
  return [light(paper(document.body)), seen.length, ...found.sort((a, b) => a[0] - b[0])[0]];
}"""


def test_the_page_follows_the_answer_but_not_who_reads_above(
    server: Server, open_page: Any
) -> None:
    tab = open_page(server, width=360)
    left = "document.documentElement.scrollHeight - innerHeight - scrollY"
    made_to_say(tab, {"const": " ".join(f"{number}" for number in range(60))})
    for _ in range(2):
        say(tab)
        answered(tab)
        comes(tab, f"{left} < 2")
    tab.unroute("**/v1/chat/completions")
    endless(tab)
    tab.get_by_role("button", name="New conversation").click()
    say(tab)
    comes(tab, "scrollY > 200")
    tab.mouse.wheel(0, -150)
    comes(tab, f"{left} > 100")
    length = "document.querySelector('.answer .text').textContent.length"
    comes(
        tab,
        f"{length} > {tab.evaluate(length) + 50} || !document.querySelector('[aria-busy=true]')",
    )
    assert tab.evaluate(left) > 100
    tab.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    comes(tab, f"{left} < 2")
    with server.frozen():  # a line at a time, as touchpads and fingers scroll
        at_rest(tab)
        at = tab.evaluate("scrollY")
        tab.mouse.wheel(0, -20)
        comes(tab, f"scrollY < {at}")
        at = tab.evaluate("scrollY")
    seen = tab.evaluate(length)
    comes(tab, f"{length} > {seen + 20}")
    assert tab.evaluate("scrollY") == at
    tab.keyboard.press("Escape")
    answered(tab)


def test_by_keyboard_alone(server: Server, open_page: Any) -> None:
    tab = open_page(server)
    comes(tab, "document.activeElement.id === 'prompt'")  # there one begins
    tab.keyboard.type("I could not stop")
    tab.keyboard.press("Shift+Enter")
    tab.keyboard.type("smiling all day.")
    assert tab.get_by_label("Your message").input_value() == "I could not stop\nsmiling all day."
    tab.keyboard.press("Enter")
    answered(tab)
    assert tab.locator(".prompt").inner_text() == "I could not stop\nsmiling all day."
    assert tab.get_by_label("Your message").input_value() == ""
    tab.keyboard.press("Enter")  # nothing is no message
    assert tab.locator(".turn").count() == 1
    endless(tab)
    tab.keyboard.type("More")
    with server.frozen():
        tab.keyboard.press("Enter")
        tab.keyboard.type("and ")
        tab.keyboard.press("Enter")  # not yet: what was typed stays
        tab.keyboard.press("Escape")
        answered(tab)
    assert tab.locator(".numbers").last.inner_text() == "stopped"
    assert tab.get_by_label("Your message").input_value() == "and "
    reached = set()
    tab.evaluate("document.activeElement.blur()")
    for _ in range(12):
        tab.keyboard.press("Tab")
        focus = """() => { const e = document.activeElement, s = getComputedStyle(e);
          return [e.id || e.className || e.tagName, s.outlineStyle, s.outlineWidth]; }"""
        name, style, line = tab.evaluate(focus)
        reached.add(name)
        assert name == "BODY" or (style != "none" and line >= "2px"), name
    assert {
        "model",
        "other",
        "new",
        "SUMMARY",
        "copy",
        "prompt",
        "again",
        "stop",
        "send",
    } <= reached


def test_trying_again_keeps_the_focus(server: Server, open_page: Any) -> None:
    tab = open_page(server)
    asked: list[Any] = []

    def not_yet(route: Any) -> None:
        asked.append(route)
        route.fulfill(status=503, json={"error": {"message": "Not yet."}})

    tab.route("**/v1/models", not_yet)
    tab.reload()
    again = tab.get_by_role("button", name="Try again")
    again.focus()
    tab.keyboard.press("Enter")
    comes(tab, "document.getElementById('status').textContent === 'Not yet.'")
    until(lambda: tab.evaluate("true") and len(asked) == 2)
    assert tab.evaluate("document.activeElement.id") == "retry"
    tab.unroute("**/v1/models")
    tab.keyboard.press("Enter")
    comes(tab, "document.activeElement.id === 'prompt'")
    assert not again.is_visible()


@pytest.mark.parametrize("width", [320, 360, 800, 1280])
def test_nothing_runs_off_the_screen(width: int, server: Server, open_page: Any) -> None:
    tab = open_page(server, width=width)
    tab.get_by_text("Settings").click()
    tab.get_by_label("Compare with").select_option("tone")
    made_to_say(tab, {"const": "wide" * 60})
    say(tab, "long" * 100)
    answered(tab)
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    shown = tab.locator("button:visible, input:visible, select:visible, textarea:visible, .text")
    assert all(one.evaluate(SEEN) for one in shown.all())
    boxes = [tab.locator(name).bounding_box() for name in ("#prompt", "#again", "#send")]
    assert boxes[0]["x"] == boxes[1]["x"]  # the buttons do not stick out of their column
    assert boxes[0]["x"] + boxes[0]["width"] == boxes[2]["x"] + boxes[2]["width"]
    sides = [one.bounding_box() for one in tab.locator(".answer").all()]
    assert (sides[0]["y"] == sides[1]["y"]) == (width >= 800)


def test_light_and_dark_can_be_read(server: Server, open_page: Any) -> None:
    """WCAG's contrast of 4.5 for every text that is there, errors included."""
    seen = []
    for scheme in ("light", "dark"):
        tab = open_page(server, color_scheme=scheme)
        tab.get_by_text("Settings").click()
        for prompt in (SMILE, "<|end|>"):
            say(tab, prompt)
            answered(tab)
        tab.evaluate("document.getElementById('key-form').hidden = false")
        paper, texts_seen, worst, where = tab.evaluate(CONTRAST)
        assert texts_seen > 20
        assert worst >= 4.5, (scheme, where)
        seen.append(paper)
    assert seen[0] > 0.9
    assert seen[1] < 0.02


def test_right_to_left(server: Server, open_page: Any) -> None:
    tab = open_page(server)
    made_to_say(tab, {"const": "שלום עולם"})
    say(tab, "שלום")
    answered(tab)
    for name in (".prompt", ".answer .text"):
        text = tab.locator(name)
        assert text.evaluate("e => getComputedStyle(e).direction") == "rtl"
        ends = """e => { const r = document.createRange(); r.selectNodeContents(e);
          return [r.getBoundingClientRect().right, e.getBoundingClientRect().right]; }"""
        written, box = text.evaluate(ends)
        assert box - written < 20


def test_what_a_screen_reader_finds(server: Server, open_page: Any) -> None:
    tab = open_page(server)
    say(tab)
    answered(tab)
    for role in ("banner", "main", "status"):
        assert tab.get_by_role(role).count() == 1
    levels = tab.locator("h1, h2, h3").evaluate_all("all => all.map(e => e.tagName)")
    assert levels == ["H1", "H2", "H2", "H3"]
    nameless = """all => all.filter(e => e.checkVisibility() && !e.labels?.length
      && !e.ariaLabel && !e.textContent.trim()).map(e => e.outerHTML)"""
    assert tab.locator("input, select, textarea, button").evaluate_all(nameless) == []
    # the answer itself is no live region: it would be read in pieces
    assert tab.locator("[aria-live], [role=log], [role=alert]").count() == 0
