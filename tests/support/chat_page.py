"""What a test does on the chat page.

Where it needs a certain answer, it adds a JSON schema to the page's request on its way: the model
then has to say just that.
"""

from __future__ import annotations

import json
import time
from typing import Any

from tests.support.server import ENDLESS, HELLO, until

SMILE = HELLO[0]["content"]


def made_to_say(tab: Any, schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The model keeps to `schema` from now on; what the page asks is kept in the list."""
    asked: list[dict[str, Any]] = []

    def add(route: Any) -> None:
        body = json.loads(route.request.post_data)
        asked.append(body)
        told = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        route.continue_(post_data=json.dumps({**body, "response_format": told}))

    tab.route("**/v1/chat/completions", add)
    return asked


def endless(tab: Any) -> list[dict[str, Any]]:
    return made_to_say(tab, ENDLESS["response_format"]["json_schema"]["schema"])


def comes(tab: Any, true: str) -> None:
    """Wait for an expression; Playwright's own way needs eval, which the page's policy forbids."""
    until(lambda: tab.evaluate(true), 30)


def say(tab: Any, text: str = SMILE) -> None:
    comes(tab, "document.getElementById('model').options.length > 0")
    tab.get_by_label("Your message").fill(text)
    tab.keyboard.press("Enter")


def answered(tab: Any) -> None:
    """Wait for the end of what is being answered."""
    comes(tab, "document.getElementById('send').ariaDisabled !== 'true'")


def at_rest(tab: Any) -> None:
    """Wait until the page has shown all that had come when the engine was frozen."""

    def same() -> bool:
        before = tab.evaluate("document.documentElement.scrollHeight + scrollY")
        time.sleep(0.3)
        return bool(before == tab.evaluate("document.documentElement.scrollHeight + scrollY"))

    until(same, 30)


def texts(tab: Any) -> list[str]:
    return tab.locator(".answer .text").all_text_contents()
