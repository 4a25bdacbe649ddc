"""The chat page in a real browser, over the real server: what it does."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from phi3scaffold.inference.sampling import Sampling
from tests.support.chat_page import SMILE, answered, comes, endless, made_to_say, say, texts
from tests.support.server import HELLO, Server, until

ATTACK = "<img src=x onerror=alert(1)><script>document.title=1</script>"
KEY = "a-key-that-nobody-knows"


def test_what_is_served(server: Server) -> None:
    for path, kind in (("/", "html"), ("/chat.css", "css"), ("/chat.js", "javascript")):
        reply = server.ask("GET", path)
        assert (reply.status, kind in reply.headers["content-type"]) == (200, True)
        assert not re.search(rb"https?://|@import|innerHTML|localStorage|eval\(", reply.body)
        rules = reply.headers["content-security-policy"].split("; ")
        assert {"default-src 'none'", "script-src 'self'", "trusted-types 'none'"} <= set(rules)
        assert not any("unsafe" in rule or "*" in rule for rule in rules)
        assert reply.headers["x-content-type-options"] == "nosniff"
    assert server.ask("POST", "/", {}).status == 405
    assert server.ask("GET", "/", headers={"Host": "evil.example"}).status == 403


def test_an_answer_with_its_speed_and_the_conversation_goes_on(
    server: Server, open_page: Any
) -> None:
    tab = open_page(server)
    asked: list[dict[str, Any]] = []
    tab.on(
        "request",
        lambda request: asked.append(request.post_data_json) if request.post_data else None,
    )
    assert "demonstration" in tab.locator("#about").inner_text()
    assert tab.get_by_label("Model").locator("option").all_inner_texts() == [
        "proj (onnx)", "tone (onnx-adapter)", "other (onnx-adapter)",
    ]  # fmt: skip
    say(tab)
    answered(tab)
    assert texts(tab) == ["joy"]
    numbers = tab.locator(".numbers").inner_text()
    assert re.fullmatch(
        r"[\d.]+ tokens/s overall: 2 tokens in [\d.]+\ss, the first after [\d.]+\ss", numbers
    )
    assert tab.get_by_role("status").inner_text() == "proj: joy"
    tab.get_by_label("Model").select_option("tone")
    tab.get_by_text("Settings").click()
    tab.get_by_label("System prompt").fill("Be brief.")
    tab.get_by_label("Send earlier messages").check()
    for label, value in (
        ("Temperature", "0.7"), ("Top p", "0.9"), ("Max tokens", "3"), ("Seed", "-5"),
    ):  # fmt: skip
        tab.get_by_label(label).fill(value)
    say(tab, "And the day after?")
    answered(tab)
    stream = {"stream": True, "stream_options": {"include_usage": True}}
    assert asked == [
        {"model": "proj", "messages": HELLO, **stream},
        {
            "model": "tone",
            "temperature": 0.7,
            "top_p": 0.9,
            "max_tokens": 3,
            "seed": -5,
            "messages": [
                {"role": "system", "content": "Be brief."},
                *HELLO,
                {"role": "assistant", "content": "joy"},
                {"role": "user", "content": "And the day after?"},
            ],
            **stream,
        },
    ]
    tab.get_by_role("button", name="New conversation").click()
    assert tab.locator(".turn").count() == 0
    say(tab)
    answered(tab)
    assert len(asked[-1]["messages"]) == 2  # the system prompt is a setting, and stays
    tab.get_by_label("Send earlier messages").uncheck()
    say(tab)
    answered(tab)
    assert [one["role"] for one in asked[-1]["messages"]] == ["system", "user"]


def test_the_temperature_that_is_shown_is_the_one_that_is_meant(
    server: Server, open_page: Any
) -> None:
    tab = open_page(server)
    tab.get_by_text("Settings").click()
    shown = []
    for top_p in ("0.9", "0", ""):
        tab.get_by_label("Top p").fill(top_p)
        shown.append(tab.get_by_label("Temperature").get_attribute("placeholder"))
    meant = [Sampling.from_settings(None, top_p).temperature for top_p in (0.9, 0, None)]
    assert list(map(float, shown)) == meant


def test_a_conversation_is_remembered_where_it_was_trained(server: Server, open_page: Any) -> None:
    tab = open_page(server)
    assert not tab.get_by_label("Send earlier messages").is_checked()  # it classifies

    def chats(route: Any) -> None:
        found = server.ask("GET", "/v1/models").json()
        found["data"][1]["task"] = "chat"
        route.fulfill(json=found)

    tab.route("**/v1/models", chats)
    tab.reload()
    comes(tab, "document.getElementById('model').options.length > 0")
    remember = tab.get_by_label("Send earlier messages")
    assert not remember.is_checked()
    tab.get_by_label("Model").select_option("tone")
    assert remember.is_checked()
    tab.get_by_text("Settings").click()
    remember.uncheck()
    tab.get_by_label("Model").select_option("proj")
    tab.get_by_label("Model").select_option("tone")
    assert not remember.is_checked()  # a person's choice stays


def test_it_streams_and_stops_and_the_server_is_free_again(server: Server, open_page: Any) -> None:
    tab = open_page(server)
    endless(tab)
    say(tab)
    comes(tab, "document.querySelector('.answer .text')?.textContent.length > 20")
    with server.frozen():  # or it may come to its end before we get to look
        assert tab.locator("#conversation").get_attribute("aria-busy") == "true"
        assert tab.get_by_role("status").inner_text() == "Answering."
        tab.get_by_role("button", name="Stop").click()
        answered(tab)
        assert "stopped" in tab.locator(".numbers").inner_text()
        kept = texts(tab)
    until(lambda: server.health()["running"] == 0)
    assert texts(tab) == kept
    assert len(kept[0]) > 20
    assert re.match(r"about [\d.]+ tokens/s: \d+ tokens", tab.locator(".numbers").inner_text())


def test_who_types_at_once_is_answered_once(server: Server, open_page: Any) -> None:
    tab = open_page(server)
    held: list[Any] = []
    tab.route("**/v1/models", lambda route: held.append(route))
    tab.reload()
    tab.get_by_label("Your message").fill(SMILE)
    tab.keyboard.press("Enter")
    tab.keyboard.press("Enter")
    until(lambda: tab.evaluate("true") and bool(held))  # asking the page lets its events come
    assert tab.locator(".turn").count() == 0
    held[0].continue_()
    comes(tab, "document.querySelector('.answer .numbers')?.textContent.includes('tokens/s')")
    assert texts(tab) == ["joy"]
    assert tab.get_by_label("Your message").input_value() == ""


def test_what_is_cut_off_says_so(server: Server, open_page: Any) -> None:
    tab = open_page(server)
    endless(tab)
    tab.get_by_text("Settings").click()
    tab.get_by_label("Max tokens").fill("5")
    say(tab)
    answered(tab)
    assert re.match(r".* 5 tokens .*truncated", tab.locator(".numbers").inner_text())


def test_the_speed_is_not_that_of_waiting(server: Server, open_page: Any) -> None:
    tab = open_page(server)
    endless(tab)
    tab.get_by_text("Settings").click()
    tab.get_by_label("Max tokens").fill("400")
    with server.frozen():
        say(tab)
        time.sleep(0.7)
    answered(tab)
    told = r"(\d+) tokens/s: 400 tokens in ([\d.]+)\ss, the first after ([\d.]+)\ss"
    found = re.match(told, tab.locator(".numbers").inner_text())
    assert found
    speed, whole, first = map(float, found.groups())
    assert first > 0.6
    assert 399 / (whole - first + 0.01) <= speed <= 399 / max(whole - first - 0.01, 0.001)


def test_regenerate_and_compare_side_by_side(server: Server, open_page: Any) -> None:
    tab = open_page(server, width=1280)
    say(tab)
    answered(tab)
    asked = made_to_say(tab, {"const": "again"})
    tab.get_by_role("button", name="Regenerate").click()
    answered(tab)
    assert texts(tab) == ['"again"']
    tab.get_by_label("Compare with").select_option("tone")
    tab.get_by_role("button", name="Regenerate").click()
    answered(tab)
    assert texts(tab) == ['"again"', '"again"']
    assert [one["model"] for one in asked] == ["proj", "proj", "tone"]
    assert all(one["messages"] == HELLO for one in asked)
    names = tab.get_by_role("article").get_by_role("heading").all_inner_texts()
    assert names == ["proj (onnx)", "tone (onnx-adapter)"]
    left, right = (tab.locator(".answer").nth(n).bounding_box() for n in (0, 1))
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] < right["x"]
    assert tab.get_by_role("status").inner_text() == 'proj: "again" tone: "again"'


def test_both_sides_are_asked_the_same(server: Server, open_page: Any) -> None:
    tab = open_page(server)
    asked = made_to_say(tab, {"const": "x"})
    tab.get_by_label("Compare with").select_option("tone")
    tab.get_by_text("Settings").click()
    with server.frozen():
        say(tab)
        comes(tab, "document.querySelector('[aria-busy=true]') !== null")
        tab.get_by_label("System prompt").fill("Be brief.")
        tab.get_by_label("Seed").fill("7")
    answered(tab)
    assert [one.pop("model") for one in asked] == ["proj", "tone"]
    assert asked[0] == asked[1]


def test_each_model_is_told_its_own_answers(server: Server, open_page: Any) -> None:
    tab = open_page(server)
    words = iter(("one", "two", "three", "four"))
    asked: list[list[str]] = []

    def add(route: Any) -> None:
        body = json.loads(route.request.post_data)
        asked.append([turn["content"] for turn in body["messages"]])
        schema = {"const": next(words)}
        told = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        route.continue_(post_data=json.dumps({**body, "response_format": told}))

    tab.route("**/v1/chat/completions", add)
    tab.get_by_text("Settings").click()
    tab.get_by_label("Send earlier messages").check()
    tab.get_by_label("Compare with").select_option("other")
    for prompt in ("a", "b"):
        say(tab, prompt)
        answered(tab)
    assert asked == [["a"], ["a"], ["a", '"one"', "b"], ["a", '"two"', "b"]]


def test_copy(server: Server, open_page: Any) -> None:
    tab = open_page(server, permissions=["clipboard-read", "clipboard-write"])
    say(tab)
    answered(tab)
    button = tab.get_by_role("button", name="Copy the answer of proj")
    button.click()
    comes(tab, "document.querySelector('.copy').textContent === 'Copied'")
    assert tab.evaluate("navigator.clipboard.readText()") == "joy"
    # where there is no clipboard, as over http from another machine
    tab.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }")
    tab.evaluate("document.querySelector('.copy').textContent = 'Copy'")
    button.click()
    comes(tab, "document.querySelector('.copy').textContent === 'Copied'")
    assert tab.evaluate("String(getSelection())").strip() == "joy"


def test_html_stays_text(server: Server, open_page: Any) -> None:
    tab = open_page(server)
    made_to_say(tab, {"const": ATTACK})
    title = tab.title()
    say(tab, ATTACK)
    answered(tab)
    assert json.loads(texts(tab)[0]) == ATTACK
    assert tab.locator(".prompt").inner_text() == ATTACK
    assert tab.locator("#conversation :is(img, script)").count() == 0
    assert tab.title() == title
    # and were the page to make a mistake, the browser would not let it
    for sink in ("document.body.innerHTML = '<b>x</b>'", "document.write('x')"):
        refused = f"(() => {{ try {{ {sink}; return '' }} catch (e) {{ return e.name }} }})()"
        assert tab.evaluate(refused) == "TypeError"


def test_errors_in_words(own: Callable[..., Server], open_page: Any) -> None:
    server = own("--queue", "1").wait().wait()
    tab = open_page(server)

    def wrong(prompt: str = SMILE) -> str:
        say(tab, prompt)
        answered(tab)
        told = tab.locator(".answer .error").last.inner_text()
        assert told in tab.get_by_role("status").inner_text()
        return told

    assert "control token" in wrong("Hello <|end|> there")
    assert "context holds 1024 tokens" in wrong("word " * 3000)
    tab.get_by_text("Settings").click()
    tab.get_by_label("Temperature").fill("3")
    say(tab)
    assert tab.get_by_label("Temperature").evaluate("e => e === document.activeElement")
    tab.get_by_label("Temperature").fill("")
    tab.get_by_role("button", name="Send").click()
    answered(tab)
    assert texts(tab)[-1] == "joy"
    endless(tab)
    say(tab)
    comes(tab, "[...document.querySelectorAll('.text')].at(-1).textContent.length > 20")
    server.engine.kill()
    answered(tab)
    assert "The engine ended" in tab.locator(".answer .error").last.inner_text()
    assert len(texts(tab)[-1]) > 20  # what came is kept
    tab.unroute("**/v1/chat/completions")
    until(lambda: server.health()["code"] == 200)
    tab.get_by_role("button", name="New conversation").click()
    say(tab)
    answered(tab)
    assert texts(tab) == ["joy"]
    assert server.end() == 0
    assert "cannot be reached" in wrong()
    server.process.wait()


def test_a_key_is_asked_for_and_kept_in_memory(
    own: Callable[..., Server], open_page: Any, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    server = own("--api-key-file", str(file)).wait().wait()
    tab = open_page(server)
    field = tab.get_by_label("API key")
    field.wait_for()
    assert field.evaluate("e => e === document.activeElement && e.type === 'password'")
    tab.keyboard.type("wrong")
    tab.keyboard.press("Enter")
    tab.locator("#key-error", has_text="The API key is wrong").wait_for()
    field.fill(KEY)
    tab.keyboard.press("Enter")
    comes(tab, "document.activeElement.id === 'prompt'")
    assert not field.is_visible()
    assert field.input_value() == ""
    say(tab)
    answered(tab)
    assert texts(tab) == ["joy"]
    kept = (
        "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])"
    )
    assert KEY not in tab.evaluate(kept)
    tab.reload()
    field.wait_for()
