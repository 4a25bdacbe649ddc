"""What every setting of a project means: the comments of its YAML files, the tables of its README.

project.yaml and dataset.yaml are documented in the template, above each key; olive-config.json in
the project's own fine-tuning/README.md, which speaks of its algorithm.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from phi3scaffold.checks.lint_context import DATASET, OLIVE
from phi3scaffold.evaluation.limits import project_yaml_section
from phi3scaffold.generator import template
from phi3scaffold.project.layout import PROJECT_FILE

KEY = re.compile(r"(?P<indent> *)(?:- )?(?P<key>[a-z_]+):(?: (?P<value>.+))?$")
README = "fine-tuning/README.md"
HEADING = re.compile(r"## `(\w+)`")  # of a pass
NESTED = re.compile(r"`(training_args)` are those")


@dataclass(frozen=True)
class SettingDoc:
    """The documentation of a setting.

    Attributes:
        text: what it means.
        effects: what else the documentation says of it, such as memory -> none.
    """

    text: str
    effects: tuple[tuple[str, str], ...] = ()


def yaml_keys(content: str) -> dict[str, tuple[str, str]]:
    """Return dotted key -> (value, comment above it) of a commented YAML file, in its order.

    A comment that holds YAML of its own, such as a key that is switched off, documents that key.
    """
    found: dict[str, tuple[str, str]] = {}
    above: list[str] = []
    path: list[tuple[int, str]] = []
    for line in content.splitlines():
        off = re.match(r"# (?P<line> *[a-z_]+:.*)$", line)
        match = KEY.fullmatch(off["line"] if off else line)
        if match is None:
            comment = re.match(r" *# ?(.*)$", line)
            above = [*above, comment[1]] if comment else []
            continue
        indent = len(match["indent"])
        path = [*(one for one in path if one[0] < indent), (indent, match["key"])]
        name = ".".join(key for _, key in path)
        value = "" if off and not match["value"] else (match["value"] or "").strip()
        text = " ".join(part.strip() for part in above if part.strip())
        if text or name not in found:  # the template has some keys twice, one of them switched off
            found[name] = (value, text)
        above = []
    return found


def setting_docs(root: Path) -> dict[str, dict[tuple[str, ...], SettingDoc]]:
    """Return file -> path of keys -> documentation, for a project."""
    readme = root / README
    text = readme.read_text(encoding="utf-8", errors="replace") if readme.is_file() else ""
    limits = f"\n{project_yaml_section()}"
    return {
        PROJECT_FILE: _of_template(f"project/{PROJECT_FILE}.jinja", limits),
        DATASET: _of_template(f"project/{DATASET}.jinja"),
        OLIVE: _of_readme(text),
    }


def _of_template(name: str, more: str = "") -> dict[tuple[str, ...], SettingDoc]:
    """Return the comments of a YAML file of the template; the first one of a key counts."""
    text = (template.folder() / name).read_text(encoding="utf-8") + more
    lines = [
        re.sub(r"\{\{.*?\}\}", "", line) if "#" in line else line
        for line in text.splitlines()
        if not line.startswith("{")
    ]
    asked = template.questions()
    found = {}
    for key, (_, comment) in yaml_keys("\n".join(lines)).items():
        meaning = comment or (asked[key].help.partition(" (--")[0] + "." if key in asked else "")
        if meaning:
            found[tuple(key.split("."))] = SettingDoc(" ".join(meaning.split()))
    return found


def _of_readme(text: str) -> dict[tuple[str, ...], SettingDoc]:
    """Return the rows of the tables of settings: path of keys -> documentation."""
    found: dict[tuple[str, ...], SettingDoc] = {}
    above: tuple[str, ...] = ()
    head: list[str] = []
    for line in text.splitlines():
        if line.startswith("## "):
            heading = HEADING.match(line)
            above = ("passes", heading[1]) if heading else ()
        elif nested := NESTED.match(line):
            above = (*above[:2], nested[1])
        if not line.startswith("|"):
            head = []
            continue
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if cells[0] == "setting":
            head = cells
        elif head and len(cells) > 1:
            effects = tuple(
                (name, cell.strip(" |")) for name, cell in zip(head[2:], cells[2:], strict=False)
            )
            doc = SettingDoc(cells[1], tuple((name, one) for name, one in effects if one))
            for name in re.findall(r"`([\w.]+)`", cells[0]):
                found.setdefault((*above, *name.split(".")), doc)
    return found
