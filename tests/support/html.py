"""A page as a browser takes it, without a browser; and a text that would like to be more."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "br"}
NASTY = (
    "</script></style></svg><script>alert(1)</script><img src=x onerror=alert(1)>'\"&\x1b[2J\u202e"
)


class Page(HTMLParser):
    """A page as a browser takes it: elements, attributes, and the text in each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []  # (path of elements, text)
        self.rows: list[list[str]] = []  # of all tables: the texts of their cells
        self._open: list[str] = []
        self.feed(text)
        assert self._open == [], "an element is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((" ".join(self._open), data))
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data

    def text(self, within: str = "body") -> str:
        return "".join(text for path, text in self.texts if within in path.split())
