"""Draw the pictures of README and docs/ from a real run: `python tools/pictures.py`.

It runs `make demo MODEL=smollm2` in a terminal of its own, and writes into docs/pictures/ what that
terminal shows in the end (terminal.svg) and the head of the demo's report (report.png, with the
Chromium that is installed; without one it stays as it is). It takes some minutes, on Linux and
macOS.
"""

from __future__ import annotations

import io
import os
import pty
import re
import shutil
import struct
import sys
import termios
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "pictures"
WIDTH, HEIGHT = 96, 48
PAGE = {"width": 1100, "height": 1240}
COMMAND = "make demo MODEL=smollm2"
REPORT = ROOT / "build" / "demo" / "gen-model" / "report" / "index.html"
CONTROL = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\x1b\][^\x07]*\x07|([\r\n])")


class Screen:
    """What a terminal shows in the end: lines of characters, each with its style.

    It knows the control sequences that rich's displays write, and no others.
    """

    def __init__(self) -> None:
        self.lines: list[list[tuple[str, str]]] = [[]]
        self.row = self.column = 0
        self.style = ""

    def write(self, text: str) -> None:
        """Show `text` at the cursor."""
        position = 0
        for found in CONTROL.finditer(text):
            self._put(text[position : found.start()])
            position = found.end()
            if found[3]:
                self._move(found[3])
            elif found[2]:
                self._control(found[1], found[2])
        self._put(text[position:])

    def _put(self, text: str) -> None:
        line = self.lines[self.row]
        line += [(" ", "")] * (self.column - len(line))
        for character in text:
            line[self.column : self.column + 1] = [(character, self.style)]
            self.column += 1

    def _move(self, character: str) -> None:
        self.column = 0
        if character == "\n":
            self.row += 1
            self.lines += [[]] if self.row == len(self.lines) else []

    def _control(self, numbers: str, kind: str) -> None:
        if kind == "m":
            self.style = "" if numbers in ("", "0") else f"{self.style}\x1b[{numbers}m"
        elif kind == "A":
            self.row = max(0, self.row - int(numbers or 1))
        elif kind == "B":
            self.row = min(len(self.lines) - 1, self.row + int(numbers or 1))
        elif kind == "K":
            del self.lines[self.row][0 if numbers == "2" else self.column :]

    def text(self) -> str:
        """Return the lines with their styles as ANSI sequences."""
        styled = (
            "".join(f"{style}{one}\x1b[0m" if style else one for one, style in line)
            for line in self.lines
        )
        return "\n".join(styled).rstrip()


def run(command: str, folder: Path) -> str:
    """Run `command` in a terminal; return all that it wrote. Raises SystemExit where it fails."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        beside = str(Path(sys.executable).parent)
        search = os.pathsep.join([beside, os.environ["PATH"]])
        settings = {"PATH": search, "TERM": "xterm-256color", "COLUMNS": str(WIDTH)}
        os.execvpe("sh", ["sh", "-c", f"exec {command}"], {**os.environ, **settings})
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    written = b"".join(_read(terminal)).decode("utf-8", "replace")
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if code:
        sys.exit(f"{command}: exit code {code}\n{written}")
    return written


def _read(terminal: int) -> Iterator[bytes]:
    try:
        while found := os.read(terminal, 1 << 16):
            yield found
    except OSError:  # Linux, when the program has ended
        return


def draw_terminal() -> None:
    """Run the demo and write terminal.svg."""
    from rich.console import Console
    from rich.terminal_theme import MONOKAI
    from rich.text import Text

    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    screen = Screen()
    screen.write(run(COMMAND, ROOT))
    shown = screen.text().splitlines()[-HEIGHT:]
    console.print(Text.from_ansi("\n".join(shown)))
    svg = console.export_svg(title=COMMAND, theme=MONOKAI)
    # fonts that come from elsewhere, and an address
    svg = re.sub(r"@font-face \{.*?\}\n?|<!--.*?-->\n?", "", svg, flags=re.DOTALL)
    svg = re.sub(r"[ \t]+$", "", svg.replace("Fira Code, ", ""), flags=re.MULTILINE)
    (FOLDER / "terminal.svg").write_text(svg.strip() + "\n", encoding="utf-8")


def draw_report() -> None:
    """Write report.png: the head of the page that the demo has written."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    if browser is None:
        print(f"no browser is installed ({', '.join(names)}): report.png stays as it is")
        return
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's sandbox refuses root
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser, args=arguments)
        tab = opened.new_page(viewport=PAGE, color_scheme="light")
        tab.goto(REPORT.as_uri())
        tab.screenshot(path=FOLDER / "report.png")
        opened.close()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    draw_terminal()
    draw_report()
