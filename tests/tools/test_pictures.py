"""The terminal of the pictures shows what a real one would, and the pictures load nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("fcntl", reason="the pictures are drawn on Linux and macOS")

from pictures import FOLDER, Screen


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("one\r\ntwo\r\n", "one\ntwo"),
        ("10 %\r90 %\r\n", "90 %"),
        ("longer\rnew\x1b[K\r\n", "new"),
        ("bar\r\x1b[2Kdone\r\n", "done"),
        ("a\r\nb\r\n\x1b[2A\x1b[2Kc\r\n", "c\nb"),
        ("\x1b[?25la\x1b[?25h", "a"),
        ("\x1b]0;a title\x07text", "text"),
        ("\x1b[1mx\x1b[0my", "\x1b[1mx\x1b[0my"),
        ("\x1b[1m\x1b[31mx\x1b[0m", "\x1b[1m\x1b[31mx\x1b[0m"),
    ],
)
def test_the_screen(written: str, shown: str) -> None:
    screen = Screen()
    screen.write(written)
    assert screen.text() == shown


@pytest.mark.parametrize("picture", sorted(FOLDER.glob("*.svg")), ids=lambda path: path.name)
def test_a_picture_loads_nothing(picture: Path) -> None:
    text = picture.read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\"' )]+", text)) <= {"http://www.w3.org/2000/svg"}
