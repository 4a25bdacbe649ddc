"""Render pages that open from the disk: one file each, no network, no script, light, dark, paper.

A page is a Jinja template in templates/ that extends base.html.j2 and uses macros.html.j2; pictures
come from figures.py. Everything is escaped but what was marked as HTML here. The style is that of
the chat page, in the lowest room that has a page.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from phi3scaffold import serving
from phi3scaffold.project.formatting import binary_size, count, share, visible

TEMPLATES = Path(__file__).with_name("templates")
STYLE = Path(serving.__file__).with_name("chat") / "style.css"


def render(template: str, **values: Any) -> str:
    """Return the page `template`, a file of templates/, filled with `values`."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def clean(value: Any) -> Any:
        """Write control characters out: none reaches a browser, or turns its lines around."""
        return visible(value, lines=True) if type(value) is str else value

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=clean,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": count, "share": share, "size": binary_size}
    style = STYLE.read_text(encoding="utf-8")
    return environment.get_template(template).render(style=Markup(style), **values)
