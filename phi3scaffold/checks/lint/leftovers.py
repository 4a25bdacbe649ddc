"""No conflict of an update or a merge is left, and no placeholder of the template.

Markers such as `<<<<<<<` show two versions between which a person must decide; files ending in
.rej hold what could not be merged. A placeholder of the template that was never filled in would
be taken for text.

To fix it: choose between the two versions and remove the three markers, or the .rej file. Replace
a placeholder by its value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from phi3scaffold.checks.lint_context import DATASET, MARKS, LintContext
from phi3scaffold.project.findings import Finding

ID = "L02-leftovers"
TEXTS = (".yaml", ".yml", ".json", ".md", ".txt", ".sh", ".ps1", ".py", "file", "ignore", "ibutes")


def check(context: LintContext) -> Iterator[Finding]:
    jinja = _jinja()
    for name in context.files:
        if name.endswith(".rej"):
            what = "An update could not merge this."
            yield Finding(ID, "error", what, name, "put it in by hand, then remove the file")
        if not name.endswith(TEXTS) or (name.startswith("datasets/") and name != DATASET):
            continue
        text = context.text(name) or ""
        for match in MARKS.finditer(text):
            if match[0].startswith("<"):
                what = "A conflict that nobody has resolved begins here."
                fix = "keep one side, or both, and take the lines <<<<<<<, ======= and >>>>>>> out"
                yield Finding(ID, "error", what, f"{name}:{_line(text, match)}", fix)
        for match in jinja.finditer(text):
            what = f"{match[0]} is the template's, and was never filled in."
            place = f"{name}:{_line(text, match)}"
            yield Finding(ID, "error", what, place, "write the value in its place")


def _jinja() -> re.Pattern[str]:
    """Yield statements, and expressions that begin with one of the template's own names."""
    from phi3scaffold.generator import template

    names = "|".join(name for name in template.config() if not name.startswith("_"))
    return re.compile(
        rf"\{{%-? *(?:if|for|set|else|elif|end\w+)\b.*?%\}}|\{{\{{ *(?:{names})\b.*?\}}\}}"
    )


def _line(text: str, match: re.Match[str]) -> int:
    return text.count("\n", 0, match.start()) + 1
