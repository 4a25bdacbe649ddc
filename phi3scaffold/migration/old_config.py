"""Read a config that was copied from somewhere, with the line of every field.

Comments and commas too many are taken out and noted; what is then no JSON is an error at its line.
Python's own parser says what the file holds, and PyYAML where it stands (project/key_locations.py):
of the libraries for lenient JSON none keeps lines but json-five, and that one installs itself over
json5, which Jupyter needs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import read_yaml
from phi3scaffold.project.key_locations import Key, dotted, find_places

YAML = (".yaml", ".yml")
OURS = "phi3scaffold_rows"  # what reads the rows in every project's config
STRING = r'"(?:\\.|[^"\\\n])*"'
COMMENT = re.compile(rf"{STRING}|(//[^\n]*|#[^\n]*|/\*.*?\*/|<!--.*?-->)", re.DOTALL)
SPARE_COMMA = re.compile(rf"{STRING}|(,)(?=\s*[}}\]])|(\t)")
CURLY = "\u2018\u2019\u201c\u201d"  # quotation marks of word processors
UNFILLED = re.compile(r"<[A-Za-z_][\w. -]*>|\{\{.*?\}\}|\$\{.*?\}")
# A text that asks to be replaced: "Your Azure Subscription ID", "<path>", "YOUR_KEY".
PLACEHOLDER = re.compile(
    r"\s*((?:your|replace)[\s_-][^{}]{,80}|<[^<>|]+>|\{\{[^{}]+\}\}|\$\{[^{}]+\}|x{3,}|todo\b[^{}]{,80})",
    re.I,
)


class Leaf(NamedTuple):
    """One field (see leaves_of)."""

    path: Key
    value: Any
    line: int

    @property
    def name(self) -> str:
        return dotted(self.path)


class ConfigNote(NamedTuple):
    """Something about the text itself, at its line."""

    line: int
    text: str


@dataclass(frozen=True)
class OldConfig:
    """A config as it stands in its file.

    Attributes:
        leaves: its fields, in file order.
        notes: comments, spare commas, keys that stand twice.
    """

    path: Path
    content: dict[str, Any]
    leaves: tuple[Leaf, ...]
    notes: tuple[ConfigNote, ...]


def is_placeholder(value: Any) -> bool:
    return isinstance(value, str) and PLACEHOLDER.fullmatch(value) is not None


def read(path: Path) -> OldConfig:
    """Read the file. Raises ScaffoldError with the line of what is wrong."""
    path = Path(path).expanduser()
    if path.is_dir():
        raise ScaffoldError(
            "This is a folder, and no config.",
            where=path,
            fix="name the file in it: olive-config.json",
        )
    notes: list[ConfigNote] = []
    if path.suffix.lower() in YAML:
        content: Any = read_yaml(path)
        plain = path.read_text(encoding="utf-8")
    else:
        plain = _without_extras(_text(path), notes)
        content = _parse(plain, path)
    if not isinstance(content, dict) or not any(
        key in content for key in ("input_model", "passes", "engine", "systems", "data_configs")
    ):
        raise ScaffoldError(
            "This is no Olive config: it names neither passes nor an input_model.",
            where=path,
            fix="give the file that `olive run --config` took",
        )
    if OURS in plain:
        raise ScaffoldError(
            "This config is of today: it belongs to a project of phi3scaffold.",
            where=path,
            fix="nothing is to be done: phi3scaffold run, in that project",
        )
    places = find_places(plain)
    for at, line in places.doubles:
        message = f"{dotted(at)} stands here a second time; the last one counts"
        notes.append(ConfigNote(line, message))
    leaves = tuple(Leaf(at, value, places.lines.get(at, 1)) for at, value in leaves_of(content))
    return OldConfig(path, content, leaves, tuple(sorted(notes)))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ScaffoldError(
            "The config does not exist.", where=path, fix="name an olive-config.json"
        ) from None
    except UnicodeDecodeError as error:
        raise ScaffoldError(
            f"Not UTF-8: {error.reason}.", where=path, fix="save it as UTF-8"
        ) from None


def _without_extras(text: str, notes: list[ConfigNote]) -> str:
    """Return the text without comments and spare commas, every other character in its place."""

    def out(match: re.Match[str]) -> str:
        extra = match[1]
        if extra is None:
            return " " if match[0] == "\t" else match[0]
        line = text.count("\n", 0, match.start()) + 1
        what = "a comma before a closing bracket" if extra == "," else "a comment"
        notes.append(ConfigNote(line, f"{what}, which JSON does not have; left out"))
        return re.sub(r"[^\n]", " ", extra)

    return SPARE_COMMA.sub(out, COMMENT.sub(out, text))


def _parse(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line, what, fix = _explained(text, error)
        raise ScaffoldError(what, where=f"{path}:{line}", fix=fix) from None
    except RecursionError:
        raise ScaffoldError("It is nested too deeply.", where=path) from None


def _explained(text: str, error: json.JSONDecodeError) -> tuple[int, str, str]:
    """Return the line, what is wrong there, and the remedy."""
    line, rest = error.lineno, text[error.pos :]
    # the error of a doubled brace is at the second one
    found = UNFILLED.match(rest.lstrip(" ")) or UNFILLED.match(text, max(error.pos - 1, 0))
    if found:
        fix = "put a value in its place, in quotes if it is text"
        return line, f"The placeholder {found[0]} was never filled in.", fix
    if rest.startswith(("```", "~~~")):
        return line, "This is a fence of Markdown.", "copy only what stands between the fences"
    if rest[:1] in ("'", *CURLY):
        return line, f"JSON does not know the quotation mark {rest[0]}.", 'use "'
    if rest.startswith(("...", "…")):
        fix = "put in what belongs there, or take the dots out"
        return line, "Something was left out here.", fix
    word = re.match(r"True|False|None", rest)
    if word:
        plain = {"True": "true", "False": "false", "None": "null"}[word[0]]
        return line, f"{word[0]} is Python.", f"write {plain}"
    if not text.strip():
        return 1, "The file is empty.", "name an olive-config.json"
    if not rest.strip():
        last = text.rstrip().count("\n") + 1
        return last, "The file ends before its brackets are closed.", "copy it again, to the last }"
    if error.msg.startswith("Expecting ',' delimiter"):
        before = text[: error.pos].rstrip()
        return before.count("\n") + 1, "A comma is missing at the end of this line.", "put it there"
    if "escape" in error.msg:
        return line, "A single \\ in a text.", "write \\\\, or / in a path"
    if "control character" in error.msg:
        return line, "A text goes on over the end of its line.", "close it with a quotation mark"
    return line, f"Not valid JSON: {error.msg}.", "correct that line"


def leaves_of(value: Any, at: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Yield every field below `value` with its path: what is no mapping and no list of mappings."""
    if isinstance(value, dict) and value:
        for key, one in value.items():
            yield from leaves_of(one, (*at, str(key)))
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        for index, one in enumerate(value):
            yield from leaves_of(one, (*at, index))
    else:
        yield at, value
