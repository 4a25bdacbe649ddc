"""Many prompts answered in batches, handed on in their order; memory stays bounded.

A prompt that cannot be answered is told of in its place, and costs no other its answer.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from phi3scaffold.inference.answer import Answer, request
from phi3scaffold.inference.answer_settings import AnswerSettings
from phi3scaffold.inference.api_error import ApiError
from phi3scaffold.inference.engine import encoded, room_for
from phi3scaffold.inference.forms.form import Form
from phi3scaffold.inference.prompt_source import PromptEntry
from phi3scaffold.inference.request import Request, StopTexts
from phi3scaffold.models.templates import Message
from phi3scaffold.project.errors import ScaffoldError

Record = dict[str, Any]
# Prompts that are looked at together, to batch those of one length. A slow model gets few, so that
# answers appear soon, and little is lost with the power; a fast one gets many.
FEWEST, MOST = 8, 256
QUICK, LONG = 2.0, 8.0  # seconds
TOKENS = 1 << 17  # of such prompts together


class PreparedPrompt(NamedTuple):
    """A prompt that can be answered: its messages and ids, and the room for the answer."""

    entry: PromptEntry
    messages: list[Message]
    asked: Request
    ids: list[int]
    room: int


def records(
    form: Form,
    entries: Iterable[PromptEntry],
    settings: AnswerSettings,
    known: Callable[[int, list[Message]], Record | None] = lambda number, messages: None,
    found: Callable[[Record], None] = lambda record: None,
) -> Iterator[Record]:
    """What `infer --json` says of each prompt, in their order.

    Greedy answers are made in batches. A sampled one is made alone, so that a seed gives what it
    gives on the server.

    Args:
        known: a prompt's number and messages -> its record, where an earlier run has it.
        found: is told each new record at once, in the order in which answers end.
    """
    source, size = iter(entries), FEWEST
    while True:
        began = time.monotonic()
        waiting: deque[int] = deque()
        done: dict[int, Record] = {}
        ready: list[PreparedPrompt] = []
        for entry in islice(source, size):
            waiting.append(entry.number)
            one = _ready(form, entry, settings)
            if isinstance(one, PreparedPrompt):
                old = known(entry.number, one.messages)
                if old is None:
                    ready.append(one)
                    if sum(len(each.ids) for each in ready) > TOKENS:
                        break
                else:
                    done[entry.number] = old
            else:
                found(one)
                done[entry.number] = one
        if not waiting:
            return
        for record in _answers(form, ready, settings):
            found(record)
            done[record["number"]] = record
            while waiting and waiting[0] in done:
                yield done.pop(waiting.popleft())
        yield from (done[number] for number in waiting)
        spent = time.monotonic() - began
        if ready:
            size = min(size * 2, MOST) if spent < QUICK else size
            size = max(size // 2, FEWEST) if spent > LONG else size


def head(entry: PromptEntry) -> Record:
    """Which prompt a record is of."""
    name = {} if entry.id is None else {"id": entry.id}
    return {"number": entry.number, "where": entry.place, **name}


def described(form: Form, messages: Sequence[Message]) -> Record:
    """What answered, and what it was asked."""
    return {
        "form": form.name,
        **({"adapter": form.adapter} if form.adapter else {}),
        "model": form.prompt.model,
        "demonstration": form.prompt.demonstration,
        "messages": list(messages),
    }


def _ready(form: Form, entry: PromptEntry, settings: AnswerSettings) -> PreparedPrompt | Record:
    """The prompt made ready, or the record of why it cannot be answered."""
    try:
        if entry.error is not None:
            raise entry.error
        asked = request(entry.turns, settings)
        ids = encoded(form, asked)
        messages = form.prompt.conversation(asked.turns)
        return PreparedPrompt(entry, messages, asked, ids, room_for(form, ids, asked))
    except ApiError as refused:
        error = {"what": refused.message}
    except ScaffoldError as mistake:
        error = {"what": mistake.what, **({"fix": mistake.fix} if mistake.fix else {})}
    return {**head(entry), "error": error}


def _answers(
    form: Form, ready: Sequence[PreparedPrompt], settings: AnswerSettings
) -> Iterator[Record]:
    if settings.sampling.temperature:
        for one in ready:
            answer = Answer(form, one.entry.turns, settings)
            for _ in answer:
                pass
            yield _record(form, one, answer.text, answer.tokens, answer.finish)
        return
    # those near the end of the context have less room, and would leave less to their neighbours
    for room in sorted({one.room for one in ready}, reverse=True):
        alike = [one for one in ready if one.room == room]
        for row, ids in form.generate_each([one.ids for one in alike], room):
            yield _record(form, alike[row], *_ended(form, ids, room, settings.stop))


def _ended(form: Form, ids: list[int], room: int, stop: tuple[str, ...]) -> tuple[str, int, str]:
    """Text, tokens and finish of an answer, which a stop text may end before its tokens do."""
    until, count = StopTexts(stop), 0

    def counted() -> Iterator[int]:
        nonlocal count
        for token in ids:
            count += 1
            yield token

    text = ""
    for piece in form.pieces(counted()):
        text += until.feed(piece)
        if until.found:
            break
    text += until.rest()
    return text, count, "stop" if until.found or count < room else "length"


def _record(form: Form, one: PreparedPrompt, text: str, tokens: int, finish: str) -> Record:
    expected = one.entry.expected
    return {
        **head(one.entry),
        **described(form, one.messages),
        "answer": text,
        "prompt_tokens": len(one.ids),
        "answer_tokens": tokens,
        "finish": finish,
        **({} if expected is None else {"expected": expected}),
    }
