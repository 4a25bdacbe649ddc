"""Find whole conversations in the rows."""

from __future__ import annotations

from phi3scaffold.datasets.detection.guess import Guess, Head, first_named
from phi3scaffold.datasets.spec import ROLES, Messages

CONVERSATIONS = ("messages", "conversations", "conversation", "turns", "dialog", "dialogue")
# Keys of a turn: who speaks, and what is said.
TURN_KEYS = (("role", "content"), ("from", "value"), ("speaker", "text"), ("role", "text"))
# Who speaks, in the words of ShareGPT and its like.
SPEAKERS = {
    **dict.fromkeys(("human", "user", "prompter"), "user"),
    **dict.fromkeys(
        ("gpt", "assistant", "chatgpt", "bing", "bard", "bot", "model", "ai"), "assistant"
    ),
    "system": "system",
}
SHAREGPT = ("human", "gpt")


def chat(head: Head) -> Guess | None:
    column = first_named(head.columns, CONVERSATIONS)
    turns = head.value(column) if column else None
    if column is None or not isinstance(turns, list):
        return None
    keys = [key for turn in turns if isinstance(turn, dict) for key in turn]
    role, content = next(
        (pair for pair in TURN_KEYS if set(pair) <= set(keys)), ("role", "content")
    )
    spoken = {
        turn[role]
        for row in head.rows
        if isinstance(turns := row.values.get(column), list)
        for turn in turns
        if isinstance(turn, dict) and isinstance(turn.get(role), str)
    }
    names = {name: SPEAKERS[name.lower()] for name in spoken if name.lower() in SPEAKERS}
    if spoken <= set(ROLES):
        names = {}
    elif spoken & set(SHAREGPT):
        names |= {name: SPEAKERS[name] for name in SHAREGPT}
    order = ("user", "assistant", "system")
    by_speaker = sorted(names.items(), key=lambda item: (order.index(item[1]), item[0]))
    form = Messages(column, role, content, dict(by_speaker))
    said = f"conversations in column `{column}`"
    if form != Messages(column):
        said += f" (`{role}` says who speaks, `{content}` what is said)"
    return Guess("chat", said, messages=form)
