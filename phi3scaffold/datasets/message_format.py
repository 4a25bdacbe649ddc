"""How whole conversations are written in a row: the key `messages` of dataset.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from phi3scaffold.datasets.spec_keys import refuse_unknown, wrong

ROLES = ("system", "user", "assistant")
TOOL, TOOL_CALL = "tool", "tool_call"  # what a tool answers; a turn that only calls tools
EVERY_ROLE = (*ROLES, TOOL, TOOL_CALL)
# Words for who speaks that mean the same everywhere.
KNOWN_NAMES = {
    **dict(zip(ROLES, ROLES, strict=True)),
    "developer": "system",
    **dict.fromkeys(("tool", "function", "observation", "tool_response", "ipython"), TOOL),
    **dict.fromkeys(("function_call", "tool_call"), TOOL_CALL),
}
MESSAGES_KEYS = ("column", "role", "content", "names", "prompt", "tools")


@dataclass(frozen=True)
class Messages:
    """Where whole conversations stand in a row: a column with a list of turns.

    Attributes:
        column: the column.
        role, content: the two keys of a turn.
        names: the rows' own word for who speaks -> one of `EVERY_ROLE`. `KNOWN_NAMES` are known
            by themselves.
        prompt: the column of the turns that stand before those and are not learned, or None.
        tools: the column with the definitions of the tools that a conversation may call.
    """

    column: str
    role: str = "role"
    content: str = "content"
    names: Mapping[str, str] = field(default_factory=dict)
    prompt: str | None = None
    tools: str = "tools"

    def role_of(self, name: Any) -> str | None:
        """Return who speaks, or None where nobody is called that."""
        return self.names.get(name, KNOWN_NAMES.get(name)) if isinstance(name, str) else None


def parse_messages(value: Any) -> Messages | None:
    """Return the key's value; raise an error whose `where` is the key."""
    example = "messages: {column: conversations, role: from, content: value, names: {human: user}}"
    if value is None:
        return None
    if isinstance(value, str) and value:
        return Messages(value)
    if not isinstance(value, dict):
        raise wrong("messages", "It names a column, or says how turns are written.", example)
    refuse_unknown(value, MESSAGES_KEYS, "messages.")
    form = {"role": "role", "content": "content", "tools": "tools", **value}
    for key in ("column", "role", "content", "tools"):
        if not isinstance(form.get(key), str) or not form[key]:
            raise wrong(f"messages.{key}", "It must be a name.", example)
    prompt = form.get("prompt")
    if prompt is not None and (not isinstance(prompt, str) or prompt in ("", form["column"])):
        what = "It must name another column."
        raise wrong("messages.prompt", what, "messages: {column: completion, prompt: prompt}")
    names = form.get("names") or {}
    if not isinstance(names, dict):
        raise wrong("messages.names", "It must be a mapping.", example)
    for name, role in names.items():
        if role not in EVERY_ROLE:
            fix = f"one of: {', '.join(EVERY_ROLE)}"
            raise wrong(f"messages.names.{name}", f"Unknown role {role!r}.", fix)
    return Messages(**form | {"names": {str(name): role for name, role in names.items()}})
