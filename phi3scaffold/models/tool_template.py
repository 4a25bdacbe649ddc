"""Whether a model's chat template writes tools: their definitions, the calls, and the answers.

A template that does not know tools leaves parts of them out without a word, so it is tried.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from phi3scaffold.models.chat_template import render_chat
from phi3scaffold.models.column_templates import Message, Tool
from phi3scaffold.project.errors import ScaffoldError

# Words that no template writes by itself.
NAME, ABOUT, ARGUMENT, VALUE, RESULT = "qzfunction", "qzabout", "qzargument", "qzvalue", "qzresult"
PARAMETERS = {"type": "object", "properties": {ARGUMENT: {"type": "string", "description": ABOUT}}}
DEFINITION = {
    "type": "function",
    "function": {"name": NAME, "description": ABOUT, "parameters": PARAMETERS},
}
CALL = {
    "type": "function",
    "id": "qzcallid0",
    "function": {"name": NAME, "arguments": {ARGUMENT: VALUE}},
}
QUESTION: Message = {"role": "user", "content": "x"}
CONVERSATION: list[Message] = [
    QUESTION,
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "name": NAME, "tool_call_id": "qzcallid0", "content": RESULT},
    {"role": "assistant", "content": "x"},
]


def knows_tools(tokenizer: Any) -> bool:
    """Return whether the chat template writes definitions, calls, arguments and results."""
    try:
        defined = render_chat(tokenizer, [QUESTION], to_answer=True, tools=[DEFINITION])
        called = render_chat(tokenizer, CONVERSATION, to_answer=False)
    except ScaffoldError:
        return False
    return all(word in defined for word in (NAME, ABOUT, ARGUMENT)) and all(
        word in called for word in (NAME, ARGUMENT, VALUE, RESULT)
    )


def uses_tools(messages: Sequence[Message], tools: Sequence[Tool]) -> bool:
    """Return whether a conversation defines tools, calls them, or has what they answer."""
    return bool(tools) or any(m["role"] == "tool" or "tool_calls" in m for m in messages)


def lost_part(text: str, messages: Sequence[Message], tools: Sequence[Tool]) -> str | None:
    """Return what a rendered conversation lacks of its tools and turns; None where all is there."""
    for kind, part in _parts(messages, tools):
        escaped = (json.dumps(part, ensure_ascii=ascii)[1:-1] for ascii in (False, True))
        if not any(form in text for form in (part, *escaped)):
            return kind
    return None


def texts_of(messages: Sequence[Message], tools: Sequence[Tool]) -> Iterator[str]:
    """Yield every text in a conversation that a user wrote, those of its tools included."""
    for message in messages:
        yield message["content"]
        for call in message.get("tool_calls", ()):
            yield from _strings(call)
    yield from _strings(list(tools))


def _parts(messages: Sequence[Message], tools: Sequence[Tool]) -> Iterator[tuple[str, str]]:
    """Yield (what it is, text) of all that has to be in the rendered text."""
    for tool in tools:
        function = tool["function"]
        yield "the definition of a tool", function["name"]
        if isinstance(function.get("description"), str):
            yield "the definition of a tool", function["description"].strip()
    for message in messages:
        calls = message.get("tool_calls", ())
        answered = "what a tool answers" if message["role"] == "tool" else "a turn"
        yield "the text beside a call" if calls else answered, message["content"].strip()
        for call in calls:
            yield "the call of a tool", call["function"]["name"]
            for name, value in call["function"]["arguments"].items():
                yield "an argument of a call", name
                for text in _strings(value):
                    yield "an argument of a call", text


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield str(key)
            yield from _strings(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _strings(each)
