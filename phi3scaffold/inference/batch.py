"""Many prompts answered in batches, handed on in their order; memory stays bounded.

A prompt that cannot be answered gets an error record in its place, and affects no other.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from phi3scaffold.inference.answer import MODEL, Answer
from phi3scaffold.inference.answer_reader import AnswerReader
from phi3scaffold.inference.answer_record import AnswerRecord
from phi3scaffold.inference.answer_settings import AnswerSettings
from phi3scaffold.inference.api_error import ApiError
from phi3scaffold.inference.calibration import LabelCalibration
from phi3scaffold.inference.engine import answer_room, encode
from phi3scaffold.inference.forms.form import Form
from phi3scaffold.inference.prompt_source import PromptEntry
from phi3scaffold.models.column_templates import Message
from phi3scaffold.project.errors import ScaffoldError

# Prompts that are looked at together, to batch those of one length. A slow model gets few, so that
# answers appear soon and little is lost in a power cut; a fast one gets many.
FEWEST, MOST = 8, 256
QUICK, LONG = 2.0, 8.0  # seconds
TOKENS = 1 << 17  # of such prompts together


class PreparedPrompt(NamedTuple):
    """A prompt that can be answered: its messages and token ids, and the room for the answer."""

    entry: PromptEntry
    messages: list[Message]
    ids: list[int]
    room: int


def answer_all(
    form: Form,
    entries: Iterable[PromptEntry],
    settings: AnswerSettings,
    known: Callable[[int, list[Message]], AnswerRecord | None] = lambda number, messages: None,
    report: Callable[[AnswerRecord], None] = lambda record: None,
) -> Iterator[AnswerRecord]:
    """Yield the record of each prompt, in their order.

    A sampled answer is made by itself, so that a seed gives the same one as on the server.

    Args:
        known: a prompt's number and messages -> its record, where an earlier run has it.
        report: called with each new record at once, in the order in which answers end.
    """
    source, size = iter(entries), FEWEST
    while True:
        start = time.monotonic()
        waiting: deque[int] = deque()
        done: dict[int, AnswerRecord] = {}
        ready: list[PreparedPrompt] = []
        for entry in islice(source, size):
            waiting.append(entry.number)
            prepared = _prepare(form, entry, settings)
            if isinstance(prepared, AnswerRecord):
                report(prepared)
                done[entry.number] = prepared
                continue
            earlier = known(entry.number, prepared.messages)
            if earlier is not None:
                done[entry.number] = earlier
                continue
            ready.append(prepared)
            if sum(len(prompt.ids) for prompt in ready) > TOKENS:
                break
        if not waiting:
            return
        for prompt, record in _answer(form, ready, settings):
            report(record)
            done[prompt.entry.number] = record
            while waiting and waiting[0] in done:
                yield done.pop(waiting.popleft())
        yield from (done[number] for number in waiting)
        seconds = time.monotonic() - start
        if ready:
            size = min(size * 2, MOST) if seconds < QUICK else size
            size = max(size // 2, FEWEST) if seconds > LONG else size


def _prepare(
    form: Form, entry: PromptEntry, settings: AnswerSettings
) -> PreparedPrompt | AnswerRecord:
    """Return the prompt as it can be answered, or the record of why it cannot be."""
    try:
        if entry.error is not None:
            raise entry.error
        request = settings.request(entry.turns, MODEL, entry.exact, entry.tools)
        ids = encode(form, request)
        messages = request.messages(form.prompt)
        return PreparedPrompt(entry, messages, ids, answer_room(form, ids, request))
    except ApiError as error:
        return entry.record.failed(ScaffoldError(error.message))
    except ScaffoldError as error:
        return entry.record.failed(error)


def _answer(
    form: Form, ready: Sequence[PreparedPrompt], settings: AnswerSettings
) -> Iterator[tuple[PreparedPrompt, AnswerRecord]]:
    """Answer prompts, in any order."""
    if settings.sampling.temperature:
        for prompt in ready:
            entry = prompt.entry
            answer = Answer(form, entry.turns, settings, entry.exact, entry.tools)
            for _ in answer:
                pass
            yield prompt, _record(form, prompt, answer.text, answer.tokens, answer.finish)
        return
    if form.calibration is not None and settings.has_probabilities:
        room = form.calibration.longest
        fits = [prompt for prompt in ready if len(prompt.ids) + room <= form.context]
        yield from _answer_labels(form, form.calibration, fits, settings)
        ready = [prompt for prompt in ready if prompt not in fits]
    # those near the end of the context have less room, and would leave less to their neighbours
    for room in sorted({prompt.room for prompt in ready}, reverse=True):
        alike = [prompt for prompt in ready if prompt.room == room]
        for row, ids in form.generate_each([prompt.ids for prompt in alike], room):
            reader = AnswerReader(form, ids, settings.stop)
            text = "".join(reader)
            yield alike[row], _record(form, alike[row], text, reader.tokens, reader.finish(room))


def _answer_labels(
    form: Form,
    calibration: LabelCalibration,
    ready: Sequence[PreparedPrompt],
    settings: AnswerSettings,
) -> Iterator[tuple[PreparedPrompt, AnswerRecord]]:
    """Answer prompts with a label and its probability; each is read once for both."""
    for room in sorted({prompt.room for prompt in ready}, reverse=True):
        alike = [prompt for prompt in ready if prompt.room == room]
        longest = max(room, calibration.longest)
        for reading in form.read([prompt.ids for prompt in alike], longest):
            labels = calibration.of(reading)
            answers = reading.answer([(row, ()) for row in reading.rows], room)
            for row, ids in zip(reading.rows, answers, strict=True):
                prompt, finish = alike[row], "stop" if len(ids) < room else "length"
                record = _record(form, prompt, form.decode(ids), len(ids), finish)
                yield prompt, record.ranked(labels[row], settings.abstain_below)


def _record(
    form: Form, prompt: PreparedPrompt, text: str, tokens: int, finish: str
) -> AnswerRecord:
    return prompt.entry.record.answered(
        form, prompt.messages, text, len(prompt.ids), tokens, finish
    )
