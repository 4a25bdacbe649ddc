"""Other people's texts do not steer the terminal: labels, names of files, keys, messages."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from phi3scaffold.cli.ui import terminal
from phi3scaffold.cli.ui.progress import Bar

EVIL = "\x1b]0;renamed\x07\x1b[2A\x1b[31m\rover\x9b2K"
SAFE = "\\x1b]0;renamed\\x07\\x1b[2A\\x1b[31m\\rover\\x9b2K"


class Screen(io.StringIO):
    """A terminal that keeps what it gets."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError


def at_screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """Print at a terminal from now on."""
    found = Screen()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", found)
    monkeypatch.setattr(sys, "stderr", found)
    terminal.guard_terminal()
    terminal.guard_terminal()  # once is enough
    return found


def test_what_is_printed_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = at_screen(monkeypatch)
    print(f"a label: {EVIL}", file=sys.stderr)
    print("two\n\tlines", "\x1b[1mbold\x1b[0m")
    assert screen.getvalue() == f"a label: {SAFE}\ntwo\n\tlines \x1b[1mbold\x1b[0m\n"


def test_what_rich_shows_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = at_screen(monkeypatch)
    terminal.print_line(f"a finding: {EVIL}", "bold")
    bar = Bar(sys.stdout)
    with bar.bars:
        bar.start(f"a stage {EVIL}")
        bar.update(1, 2, EVIL)
        bar.say(f"a note: {EVIL}")
    got = screen.getvalue()
    assert f"a finding: {SAFE}" in got
    assert f"a note: {SAFE}" in got
    assert "\x1b[?25l" in got  # rich itself hides the cursor
    assert "\x1b]0;" not in got and "\x1b[2A" not in got and "\x9b" not in got


def test_of_a_coloured_text_only_colours_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = at_screen(monkeypatch)
    terminal.print_coloured(f"\x1b[1;31m-old {EVIL}\x1b[m\x1b[8m\n")
    safe = SAFE.replace("\\x1b[31m", "\x1b[31m")
    assert screen.getvalue() == f"\x1b[1;31m-old {safe}\x1b[m\\x1b[8m\n"


def test_a_file_gets_the_text_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.guard_terminal()
    print(EVIL)
    assert capsys.readouterr().out == f"{EVIL}\n"


@pytest.mark.skipif(os.name != "posix", reason="there is no pseudo-terminal here")
def test_an_error_at_a_terminal(tmp_path: Path) -> None:
    import pty

    (tmp_path / f"rows{EVIL}.jsonl").write_text(json.dumps({"text": "a"}) + "\n")
    main, other = pty.openpty()
    words = ["new", "proj", "--data", f"rows{EVIL}.jsonl", "--defaults"]
    run = subprocess.Popen(
        [sys.executable, "-P", "-m", "phi3scaffold", *words],
        cwd=tmp_path,
        env={**os.environ, "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=other,
        stderr=other,
    )
    os.close(other)
    got = b""
    while True:
        try:
            piece = os.read(main, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        got += piece
    os.close(main)
    assert run.wait() == 2
    assert f"rows{SAFE}.jsonl".encode() in got.replace(b"\r\n", b"")
    assert b"\x1b]0;" not in got
