"""The page of the checks, from their docstrings."""

from __future__ import annotations

import inspect

from phi3scaffold.checks.runner import load


def checks() -> str:
    """Return the page of the checks; the anchor of each is its ID in small letters."""
    parts = [
        "# Checks\n",
        "What `phi3scaffold doctor` and `phi3scaffold lint` look at. An ID never changes;\n"
        "`phi3scaffold lint --explain ID` prints the same text.\n",
    ]
    for folder, title in (("doctor", "doctor: the machine"), ("lint", "lint: the project")):
        parts.append(f"## {title}\n")
        for module in load(folder):
            fixed = "\n\n`--fix` fixes it." if hasattr(module, "fix") else ""
            parts.append(f"### {module.ID}\n\n{inspect.getdoc(module)}{fixed}\n")
    return "\n".join(parts)
