"""Write README's table of the options of `new` from template/copier.yml: `make options`.

The other options are the verb's own; each text has one home, copier.yml or phi3scaffold/cli/new.py.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from phi3scaffold.cli import new
from phi3scaffold.generator import template

README = Path(__file__).resolve().parent.parent / "README.md"
TABLE = re.compile(r"(?<=\n)\| option \| what it says \| default \|\n(?:\|.*\n)+")


def table() -> str:
    """Return the table, in Markdown."""
    rows = ["| option | what it says | default |", "|---|---|---|"]
    for question in template.questions().values():
        told = question.help.replace(f" ({question.flag})", "")
        labels = [
            label
            for label, value in template.config()[question.name].get("choices", {}).items()
            if not isinstance(value, dict)
        ]
        if labels:
            parts = (label.partition(": ") for label in labels)
            told += "".join(f"<br>`{value}`: {rest}" for value, _, rest in parts)
        flag = f"{question.flag} ROWS" if question.name == "data" else question.flag
        default = "by the other answers" if question.default is None else f"`{question.default}`"
        rows.append(f"| `{flag}` | {told} | {default if question.default != '' else 'samples'} |")
    parser = argparse.ArgumentParser(add_help=False)
    new.add_arguments(parser)
    asked = {question.flag for question in template.questions().values()}
    rows += [
        f"| `{action.option_strings[0]}` | {action.help} | |"
        for action in parser._actions
        if action.option_strings and action.option_strings[0] not in asked
    ]
    return "\n".join(rows) + "\n"


def renewed(text: str) -> str:
    """README's text with the table as it is now."""
    found, count = TABLE.subn(lambda _: table(), text)
    assert count == 1, "README has no table of options, or several"
    return found


if __name__ == "__main__":
    README.write_text(renewed(README.read_text(encoding="utf-8")), encoding="utf-8")
