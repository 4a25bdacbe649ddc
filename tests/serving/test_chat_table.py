"""The chat page answers a CSV file, and has a box for each column of a prompt."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from tests.support.chat_page import comes
from tests.support.server import Server

ROWS = (
    "id;phrase\r\n1;I could not stop smiling all day.\r\n"
    '2;"My hands shook, ""now""; I locked\nthe café."\r\n\r\n3;She cried for hours.\r\n'
    "4;<|end|>\r\n"
)


def opened(tab: Any, tmp_path: Path, content: bytes, end: str) -> None:
    (tmp_path / "tickets.csv").write_bytes(content)
    comes(tab, "document.getElementById('model').options.length > 0")
    tab.set_input_files("#file", tmp_path / "tickets.csv")
    comes(tab, f"document.getElementById('table').textContent.includes({json.dumps(end)})")


def test_a_table_is_answered_filtered_and_downloaded(
    server: Server, open_page: Any, tmp_path: Path
) -> None:
    tab = open_page(server, width=360)
    opened(tab, tmp_path, ROWS.encode("cp1252"), "3 of 4 rows answered; 1 could not be")
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    lines = "#rows tr"
    assert tab.locator(lines).count() == 4
    tab.get_by_role("button", name="joy").first.click()
    shown = tab.locator(lines).all_text_contents()
    assert 1 <= len(shown) < 4 and all("joy" in one for one in shown)
    tab.get_by_role("button", name="all 4").click()
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Download CSV").click()
    assert download.value.suggested_filename == "tickets-answered.csv"
    text = Path(download.value.path()).read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=";"))
    assert [row["id"] for row in rows] == ["1", "2", "3", "4"]
    assert rows[1]["phrase"] == 'My hands shook, "now"; I locked\nthe café.'
    assert rows[0]["answer"] == "joy" and 0.3 < float(rows[0]["probability"]) <= 1
    assert rows[0]["runner_up"] != "joy" and rows[3]["answer"] == "" and rows[3]["error"]
    tab.get_by_role("button", name="Close").click()
    assert not tab.locator("#table").is_visible()


def test_a_file_without_the_column_is_refused(
    server: Server, open_page: Any, tmp_path: Path
) -> None:
    tab = open_page(server)
    opened(tab, tmp_path, b"a,b\n1,2\n", "The file has no column phrase; it has: a, b.")
    opened(tab, tmp_path, b'a\n"b', "A quote is opened and never closed.")


def test_a_prompt_with_several_columns_has_a_box_for_each(server: Server, open_page: Any) -> None:
    tab = open_page(server, width=360)
    comes(tab, "document.getElementById('model').options.length > 0")
    sent: list[dict] = []

    def models(route: Any) -> None:
        body = route.fetch().json()
        for model in body["data"]:
            model["columns"] = ["subject", "body"]
        route.fulfill(json=body)

    def answer(route: Any) -> None:
        sent.append(json.loads(route.request.post_data))
        route.fulfill(body="data: [DONE]\n\n", content_type="text/event-stream")

    tab.route("**/v1/models", models)
    tab.route("**/v1/chat/completions", answer)
    tab.reload()
    comes(tab, "document.querySelectorAll('#columns textarea').length === 2")
    assert not tab.get_by_label("Your message").is_visible()
    tab.get_by_label("subject").fill("Broken")
    tab.get_by_label("body").fill("It hums.")
    tab.keyboard.press("Enter")
    comes(
        tab, "document.querySelector('.prompt')?.textContent === 'subject: Broken\\nbody: It hums.'"
    )
    assert json.loads(sent[0]["messages"][-1]["content"]) == {
        "subject": "Broken",
        "body": "It hums.",
    }
    assert tab.get_by_label("subject").input_value() == ""
