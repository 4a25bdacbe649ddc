"""Pages that open from the disk: one file each, no network, no script, light and dark, paper.

A page is a Jinja template in this folder that extends base.html.j2 and is put together from the
pieces of pieces.html.j2; pictures come from figures.py. Everything is escaped but what was marked
as HTML here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from phi3scaffold.project.formatting import binary_size, count, share, visible


def render(template: str, **values: Any) -> str:
    """The page `template` (a file of this folder) filled with `values`."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def clean(value: Any) -> Any:
        """Control characters in a text must not reach a browser, nor turn its lines around."""
        return visible(value, lines=True) if type(value) is str else value

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=clean,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": count, "share": share, "size": binary_size}
    style = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    return environment.get_template(template).render(style=Markup(style), **values)
