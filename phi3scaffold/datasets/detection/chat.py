"""Find whole conversations in the rows."""

from __future__ import annotations

from typing import Any

from phi3scaffold.datasets.detection.guess import Guess, Head, first_named, system_of
from phi3scaffold.datasets.message_format import KNOWN_NAMES, TOOL, TOOL_CALL, Messages
from phi3scaffold.datasets.turns import CALLS, list_in_text

CONVERSATIONS = (
    "messages", "conversations", "conversation", "turns", "dialog", "dialogue", "contents",
)  # fmt: skip
PROMPT, COMPLETION = "prompt", "completion"  # where both hold turns
FUNCTIONS = "functions"  # OpenAI's older name for tools
# Keys of a turn: who speaks, and what is said.
ROLE_KEYS = ("role", "from", "speaker", "author", "sender", "type")
CONTENT_KEYS = ("content", "value", "text", "parts", "message", "utterance")
SPOKEN = ("user", "assistant", "system")
# Who speaks, in the words of ShareGPT and its like.
SPEAKERS = {
    **dict.fromkeys(("human", "user", "prompter", "customer"), "user"),
    **dict.fromkeys(
        ("gpt", "assistant", "chatgpt", "chatbot", "bing", "bard", "bot", "model", "ai", "agent"),
        "assistant",
    ),
    "system": "system",
}
SHAREGPT = ("human", "gpt")


def chat(head: Head) -> Guess | None:
    column, prompt = _column(head), None
    if column is None:
        return None
    if column.strip().lower() == COMPLETION:
        prompt = first_named(head.columns, (PROMPT,))
    turns = [turn for name in (prompt, column) if name for turn in _turns(head, name)]
    keys = {key for turn in turns for key in turn}
    role, content = _first(ROLE_KEYS, keys), _first(CONTENT_KEYS, keys)
    spoken = {turn[role] for turn in turns if isinstance(turn.get(role), str)}
    others = spoken - set(KNOWN_NAMES)
    names = {name: SPEAKERS[name.lower()] for name in others if name.lower() in SPEAKERS}
    if spoken & set(SHAREGPT):
        names |= {name: SPEAKERS[name] for name in SHAREGPT}
    by_speaker = sorted(names.items(), key=lambda item: (SPOKEN.index(item[1]), item[0]))
    tools = "tools"
    if not head.holds(tools) and head.holds(FUNCTIONS):
        tools = FUNCTIONS
    form = Messages(column, role, content, dict(by_speaker), prompt, tools)
    said = f"conversations in column `{column}`"
    if prompt:
        said += f"; their beginning, in `{prompt}`, is shown but not learned"
    if (role, content) != ("role", "content") or names:
        said += f" (`{role}` says who speaks, `{content}` what is said)"
    system = system_of(head)
    if system:
        said += f", `{system[1:-1]}` as the system turn"
    if head.holds(tools) or any(_has_tools(turn, role) for turn in turns):
        said += "; they use tools, which the model's chat template must know"
    return Guess("chat", said, messages=form, system=system)


def _first(names: tuple[str, ...], keys: set[Any]) -> str:
    """Return the first of the names that is a key, or the most usual one."""
    return next((name for name in names if name in keys), names[0])


def _column(head: Head) -> str | None:
    """Return the column of whole conversations, if there is one."""
    lists = [name for name in head.columns if _turns(head, name)]
    column = first_named(lists, CONVERSATIONS)
    if column is None and first_named(lists, (PROMPT,)):
        column = first_named(lists, (COMPLETION,))
    return column


def _turns(head: Head, column: str) -> list[dict[str, Any]]:
    """Return the turns in a column of all rows, be they lists or texts of lists."""
    values = [row.values.get(column) for row in head.rows]
    lists = [list_in_text(value) if isinstance(value, str) else value for value in values]
    return [
        turn
        for turns in lists
        if isinstance(turns, list)
        for turn in turns
        if isinstance(turn, dict)
    ]


def _has_tools(turn: dict[str, Any], role: str) -> bool:
    called = any(turn.get(key) for key in CALLS)
    return called or KNOWN_NAMES.get(str(turn.get(role))) in (TOOL, TOOL_CALL)
