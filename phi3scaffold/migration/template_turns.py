"""Olive's text_template, one text a row -> a user turn and an assistant turn."""

from __future__ import annotations

import re
import string
from typing import NamedTuple

from phi3scaffold.models.column_templates import columns_of

# Who speaks next, in the words of the chat templates that people wrote by hand.
ROLE = re.compile(
    r"<\|(?P<tag>system|user|assistant)\|>"
    r"|<\|im_start\|>(?P<im>system|user|assistant)"
    r"|<\|start_header_id\|>(?P<header>system|user|assistant)<\|end_header_id\|>"
)
# Where a turn or the whole text begins or ends.
MARK = re.compile(r"<\|(?:end|endoftext|im_end|eot_id|begin_of_text|end_of_turn)\|>|</?s>")
INSTRUCTION = re.compile(r"\[INST\](?P<question>.*?)\[/INST\]", re.DOTALL)


class Turns(NamedTuple):
    """What dataset.yaml says: the turns, and the text before every conversation or None."""

    user: str
    assistant: str
    system: str | None = None


class NotSplit(Exception):
    """Why a template is not one question and one answer."""


def split(template: str) -> Turns:
    """Split at the last column; the model's own tags go, since its chat template writes them.

    Raises:
        NotSplit: says why.
    """
    marked = INSTRUCTION.sub(lambda m: f"<|user|>{m['question']}<|assistant|>", template)
    columns = _columns(marked)
    if len(columns) < 2:
        raise NotSplit("it names fewer than two columns, so question and answer are one text")
    if columns[-1] in columns[:-1]:
        raise NotSplit(f"the last column, {columns[-1]}, is in the question too")
    spoken = _spoken(marked)
    roles = [role for role, _ in spoken if role]
    if not roles:
        whole = _literal(MARK.sub("", marked))
        at = whole.rindex(f"{{{columns[-1]}}}")
        turns = Turns(whole[:at].strip(), whole[at:].strip())
    else:
        turns = _by_role(spoken, roles)
    for text in (turns.user, turns.assistant):
        if not columns_of(text):
            raise NotSplit("one of its turns names no column")
    if [*columns_of(turns.user), *columns_of(turns.assistant)] != list(dict.fromkeys(columns)):
        raise NotSplit("braces of its text would look like columns")
    return turns


def _by_role(spoken: list[tuple[str, str]], roles: list[str]) -> Turns:
    if roles.count("user") > 1 or roles.count("assistant") > 1:
        raise NotSplit("it holds several questions and answers; dataset.yaml takes one of each")
    by_role = {role: _literal(MARK.sub("", text)).strip() for role, text in spoken}
    if roles[-2:] != ["user", "assistant"] or by_role.get(""):
        raise NotSplit("its turns are not a user's and then an assistant's")
    system = by_role.get("system") or None
    if system and columns_of(system):
        raise NotSplit("its system text names a column")
    return Turns(by_role["user"], by_role["assistant"], system)


def _spoken(template: str) -> list[tuple[str, str]]:
    """(role, text) in order; what stands before the first tag has the role ``""``."""
    found, role, at = [], "", 0
    for match in ROLE.finditer(template):
        found.append((role, template[at : match.start()]))
        role, at = match["tag"] or match["im"] or match["header"], match.end()
    found.append((role, template[at:]))
    if len(found) > 1 and not MARK.sub("", found[0][1]).strip():
        del found[0]
    return found


def _columns(template: str) -> list[str]:
    """Return the columns in order, as Python's `format` finds them."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise NotSplit(f"Python's format cannot read it: {error}") from None
    names = []
    for _, name, spec, conversion in parts:
        if name is None:
            continue
        if not name or name.isdigit() or spec or conversion or re.search(r"[.\[]", name):
            raise NotSplit(f"{{{name}}} is more than a column's name")
        names.append(name)
    return names


def _literal(text: str) -> str:
    """Return a literal text as `format` writes it: a doubled brace is one."""
    return text.replace("{{", "{").replace("}}", "}")
