"""Olive's text_template, one text a row -> a system text, a user turn and an assistant turn.

What the model's own chat template writes goes: role tags, headings that stand for a role, and the
tokens that begin and end a text. What else looks like a tag is refused, so that none is trained as
text.
"""

from __future__ import annotations

import re
import string
from typing import NamedTuple

from phi3scaffold.models.column_templates import columns_of

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"
# Who speaks next, in the words of the chat templates that people wrote by hand.
_WHO = "system|user|assistant|model"
TAG = re.compile(
    rf"<\|(?P<tag>{_WHO})\|>"
    rf"|<\|im_start\|>[ \t]*(?P<im>{_WHO})\b(?:<\|im_sep\|>)?"
    rf"|<\|start_header_id\|>(?P<header>{_WHO})<\|end_header_id\|>"
    rf"|<start_of_turn>[ \t]*(?P<gemma>{_WHO})\b"
)
# Headings of base models' templates: `### Instruction:`, and `USER:` without a mark before it.
HEADINGS = {
    **dict.fromkeys(("system", "system prompt"), SYSTEM),
    **dict.fromkeys(("instruction", "instructions", "user", "human"), USER),
    **dict.fromkeys(("response", "assistant", "output", "bot", "gpt", "answer"), ASSISTANT),
}
BESIDE = ("input", "context")  # headings of columns beside the instruction
_WORDS = "|".join(sorted((*HEADINGS, *BESIDE), key=len, reverse=True))
HEADING = re.compile(rf"\#{{2,}}[ \t]*(?P<word>{_WORDS})[ \t]*(?::|(?=\n))", re.I)
SPEAKER = re.compile(r"(?:^|(?<=\s)|(?<=</s>))(?P<word>system|user|human|assistant|bot):", re.I)
# Where a turn or the whole text begins or ends.
MARK = re.compile(
    r"<\|(?:end|endoftext|im_start|im_end|im_sep|eot_id|eom_id|begin_of_text|end_of_text"
    r"|end_of_turn)\|>|</?s>|<(?:bos|eos|end_of_turn)>|\#{2,}[ \t]*End\b[ \t]*$"
)
INSTRUCTION = re.compile(r"\[INST\](?P<question>.*?)\[/INST\]", re.DOTALL)
SYSTEM_TEXT = re.compile(
    r"<<SYS>>(?P<text>.*?)<</SYS>>|\[SYSTEM_PROMPT\](?P<other>.*?)\[/SYSTEM_PROMPT\]",
    re.DOTALL | re.I,
)
# What only a chat template writes; a text that people read holds none of it.
LEFT_OVER = re.compile(
    r"<\|[^|<>{}\s]+\|>|<</?\w+>>|<(?:start|end)_of_\w+>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]"
)


class Turns(NamedTuple):
    """What dataset.yaml says: the turns, and the text before every conversation or None."""

    user: str
    assistant: str
    system: str | None = None


class NotSplit(Exception):
    """Why a template is not one question and one answer."""


def split(template: str) -> Turns:
    """Split a template into turns, by its tags or headings, else before its last column.

    Raises:
        NotSplit: says why.
    """
    marked = _with_plain_tags(template)
    columns = _columns(marked)
    if len(columns) < 2:
        raise NotSplit("it names fewer than two columns, so question and answer are one text")
    if columns[-1] in columns[:-1]:
        raise NotSplit(f"the last column, {columns[-1]}, is in the question too")
    parts = _by_tags(marked) or _by_headings(marked)
    turns = _turns(parts) if parts else _at_the_last_column(marked, columns[-1])
    for text in (turns.user, turns.assistant):
        if not columns_of(text):
            raise NotSplit("one of its turns names no column")
    left = LEFT_OVER.search("\n".join(filter(None, turns)))
    if left:
        raise NotSplit(f"{left[0]} is a tag of a chat template that is not known here")
    found = [name for text in (turns.system or "", *turns[:2]) for name in columns_of(text)]
    if list(dict.fromkeys(found)) != list(dict.fromkeys(columns)):
        raise NotSplit("braces of its text would look like columns")
    return turns


def _with_plain_tags(template: str) -> str:
    """Return the template with Llama 2's and Mistral's brackets written as tags."""

    def instruction(match: re.Match[str]) -> str:
        return f"{_system_tag('<|user|>' + match['question'], '<|user|>')}<|assistant|>"

    return _system_tag(INSTRUCTION.sub(instruction, template), "")


def _system_tag(text: str, before: str) -> str:
    """Return the text with its bracketed system text first, as a turn of its own."""
    match = SYSTEM_TEXT.search(text)
    if match is None:
        return text
    system = match["text"] or match["other"] or ""
    rest = text[: match.start()] + text[match.end() :]
    return f"<|system|>{system}{rest if rest.startswith(before) else before + rest}"


def _at_the_last_column(template: str, column: str) -> Turns:
    """Return the turns of a text without roles."""
    whole = _literal(MARK.sub("", template))
    at = whole.rindex(f"{{{column}}}")
    return Turns(whole[:at].strip(), whole[at:].strip())


def _by_tags(template: str) -> list[tuple[str, str]]:
    """Return (role, text) in order; what stands before the first tag has the role ``""``."""
    return _between(template, [(m, next(filter(None, m.groups()))) for m in TAG.finditer(template)])


def _by_headings(template: str) -> list[tuple[str, str]]:
    """Return (role, text) where the headings name a question and an answer; else nothing."""
    for pattern in (HEADING, SPEAKER):
        matches = [(match, match["word"].lower()) for match in pattern.finditer(template)]
        roles = [HEADINGS.get(word, "") for _, word in matches]
        if USER in roles and ASSISTANT in roles:
            return _between(
                template, [(match, HEADINGS.get(word, USER)) for match, word in matches]
            )
    return []


def _between(template: str, matches: list[tuple[re.Match[str], str]]) -> list[tuple[str, str]]:
    """Return (role, text) of the texts between the matches; nothing where there are none.

    Two parts of one role in a row, such as an instruction and its input, are one.
    """
    if not matches:
        return []
    found = [("", template[: matches[0][0].start()])]
    ends = [match.start() for match, _ in matches[1:]] + [len(template)]
    for (match, name), end in zip(matches, ends, strict=True):
        role = ASSISTANT if name == "model" else name
        text = template[match.end() : end]
        if found[-1][0] == role and match.re is HEADING:
            found[-1] = (role, f"{found[-1][1].strip()}\n{text.strip()}")
        else:
            found.append((role, text))
    return [(role, _literal(MARK.sub("", text.strip())).strip()) for role, text in found]


def _turns(parts: list[tuple[str, str]]) -> Turns:
    """Return the turns; a text before the first role is the system text."""
    (_, before), *spoken = parts
    roles = [role for role, _ in spoken]
    if roles.count(USER) > 1 or roles.count(ASSISTANT) > 1:
        raise NotSplit("it holds several questions and answers; dataset.yaml takes one of each")
    by_role = dict(spoken)
    if roles[-2:] != [USER, ASSISTANT] or roles.count(SYSTEM) > 1:
        raise NotSplit("its turns are not a user's and then an assistant's")
    system = "\n\n".join(filter(None, (before, by_role.get(SYSTEM)))) or None
    return Turns(by_role[USER], by_role[ASSISTANT], system)


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
