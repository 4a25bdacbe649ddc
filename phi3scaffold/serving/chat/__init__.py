"""The chat page at `/`: a document, a style sheet and two scripts; no build step, no network.

The browser enforces that: the page may load from and call only this server, and no text can become
HTML or a script (Trusted Types with no policy at all).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import Response

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

HERE = Path(__file__).parent
FILES = {
    "/": ("text/html", (HERE / "index.html",)),
    # the style of all pages, the reports' too, then what this page adds
    "/chat.css": (
        "text/css",
        (HERE / "style.css", HERE / "chat.css"),
    ),
    "/chat.js": ("text/javascript", (HERE / "chat.js",)),
    "/table.js": ("text/javascript", (HERE / "table.js",)),
}
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "data:",  # the empty icon, or browsers ask for one
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(" ".join(rule) for rule in POLICY.items()),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def add(app: FastAPI) -> None:
    """Serve the page's files, read once, at their paths."""
    for path, (kind, files) in FILES.items():
        text = "\n".join(file.read_text(encoding="utf-8") for file in files)
        app.add_route(path, _answer(text, kind), methods=["GET"])


def _answer(text: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_request: Request) -> Response:
        return Response(text, headers=HEADERS, media_type=kind)

    return answer
