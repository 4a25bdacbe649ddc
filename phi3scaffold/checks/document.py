"""`python -m phi3scaffold.checks.document`: write README.md here from the checks' docstrings."""

from __future__ import annotations

import inspect
from pathlib import Path

from phi3scaffold.checks.runner import VERBS, load

FILE = Path(__file__).with_name("README.md")
HEAD = """\
# What `phi3scaffold doctor` and `phi3scaffold lint` look at

Written from the checks' docstrings by `python -m phi3scaffold.checks.document`.
An ID never changes; `phi3scaffold lint --explain ID` prints the same.
"""
TITLES = {"doctor": "doctor: the machine", "lint": "lint: the project"}


def text() -> str:
    """README.md as it has to be."""
    parts = [HEAD]
    for verb in VERBS:
        parts.append(f"## {TITLES[verb]}\n")
        for module in load(verb):
            fixed = "\n\n`--fix` fixes it." if hasattr(module, "fix") else ""
            parts.append(f"### {module.ID}\n\n{inspect.cleandoc(module.__doc__ or '')}{fixed}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8", newline="\n")
