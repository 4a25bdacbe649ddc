"""Conversations become token ids and labels, by the tokenizer's own chat template.

Loss falls on the assistant's words and on the token that ends the turn, so that the model learns
to stop; on nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from phi3scaffold.datasets.conversations import Conversation, DroppedRow
from phi3scaffold.datasets.truncation import shorten
from phi3scaffold.models.chat_template import encode, end_of_turn, load_tokenizer, render_chat
from phi3scaffold.models.prompt import Prompt, special_tokens
from phi3scaffold.models.tool_template import knows_tools, lost_part, texts_of
from phi3scaffold.project.errors import ScaffoldError

NO_SYSTEM = (
    "set system: null in datasets/dataset.yaml and remove the rows' own system turns, or write "
    "them into the user turn"
)
IGNORE = -100  # what torch's cross entropy leaves out
# Why an earlier answer is shown and not learned, as `readings` says it.
ONLY_LAST = "the model's chat template writes an answer differently once another turn follows"
# Why a row of tools is dropped; `prepare` refuses the rows where any is.
TOOLS_LOST = "the chat template leaves out "


def tools_error(rows: str, model: str, parts: str, place: str) -> ScaffoldError:
    """Return the error of rows whose tools a chat template leaves out.

    Args:
        rows: how many, and that they use tools.
        model: its name.
        parts: what is left out.
        place: the first of the rows.
    """
    return ScaffoldError(
        f"{rows} tools, and the chat template of {model} leaves out {parts}: they would be learned "
        "only in part.",
        where=place,
        fix="choose a model whose chat template writes tools, or remove those rows",
    )


class Rendered(NamedTuple):
    """One row as it is trained.

    Attributes:
        conversation: the turns; their prompt may have been shortened.
        input_ids: L token ids.
        labels: L labels, `IGNORE` or the id that stands there.
        truncated: whether the prompt was shortened.
    """

    conversation: Conversation
    input_ids: list[int]
    labels: list[int]
    truncated: bool = False


class TemplateMarks(NamedTuple):
    """What the chat template makes of some roles.

    Attributes:
        marks: how many control tokens it writes.
        answers: for each answer, how many stand before it, and the ids between the last of them
            and the answer.
    """

    marks: int
    answers: list[tuple[int, list[int]]]


class Renderer:
    """Renders conversations with one tokenizer, under one limit.

    Args:
        folder: a model's tokenizer files.
        max_tokens: the most tokens that a row may have.
        long_rows: what becomes of a longer one: ``drop``, or ``truncate`` its prompt.
        user: the user turn with ``{column}`` in it, whose own words are never cut away; empty
            where rows hold whole conversations.
    """

    def __init__(
        self, folder: Path, max_tokens: int, long_rows: str = "drop", user: str = ""
    ) -> None:
        self.tokenizer = load_tokenizer(folder)
        self.max_tokens = max_tokens
        self._truncates, self._user = long_rows == "truncate", user
        self._special = special_tokens(folder)
        self._special_ids = set(self.tokenizer.convert_tokens_to_ids(list(self._special)))
        self._widest = max(map(len, self.tokenizer.get_vocab()))
        self._layouts: dict[tuple[tuple[str, ...], tuple[int, ...]], TemplateMarks] = {}
        self._kept_system: str | None = None  # the last one that the template was seen to keep
        self._keeps_answers: dict[tuple[str, ...], bool] = {}

    def render(self, rows: Sequence[Conversation]) -> list[Rendered | DroppedRow]:
        """Return every row rendered, or `DroppedRow` where it is too long.

        Raises:
            ScaffoldError: naming the first row whose text holds a control token, that has no
                trained token, or that the chat template does not keep as it was asked.
        """
        rows = list(map(self.learnable, rows))
        for row in rows:
            self._refuse_control_tokens(row)
        plausible = [row for row in rows if not self._surely_too_long(row)]
        rendered = dict(zip(map(id, plausible), self._samples(plausible), strict=True))
        return [self._fitting(row, rendered.get(id(row))) for row in rows]

    def fits(self, row: Conversation) -> bool:
        """Return whether the row keeps within the limit."""
        if self._surely_too_long(row):
            return False
        return len(self.tokenizer.encode(self._text(row), add_special_tokens=False)) <= (
            self.max_tokens
        )

    def learnable(self, row: Conversation) -> Conversation:
        """Return the row with only its last answer learned, where earlier ones cannot be.

        Some templates (Qwen3's, which leaves earlier thoughts out) write an earlier answer
        otherwise than it was asked for: learned there, it would be asked for as it never is.
        """
        earlier = tuple(row.learned[:-1])
        if not earlier:
            return row
        roles = tuple(message["role"] for message in row.messages)
        if row.has_tools:
            kept = self._keeps(row)
        else:
            if roles not in self._keeps_answers:
                plain = [{"role": role, "content": "x"} for role in roles]
                self._keeps_answers[roles] = self._keeps(replace(row, messages=plain))
            kept = self._keeps_answers[roles]
        if kept:
            return row
        notes = (*row.notes, *[ONLY_LAST] * len(earlier))
        return replace(row, shown=tuple(sorted({*row.shown, *earlier})), notes=notes)

    def _keeps(self, row: Conversation) -> bool:
        """Tell whether each answer that is learned stands behind the prompt that asks for it."""
        try:
            text = self._text(row)
            return all(text.startswith(self._text(row, turn)) for turn in row.learned)
        except ScaffoldError:
            return True  # refused with its reason when it is rendered

    def _fitting(
        self, row: Conversation, rendered: Rendered | DroppedRow | None
    ) -> Rendered | DroppedRow:
        if isinstance(rendered, DroppedRow):
            return rendered
        if rendered is not None and len(rendered.input_ids) <= self.max_tokens:
            return rendered
        reason = f"longer than {self.max_tokens} tokens"
        if not self._truncates:
            return DroppedRow(row.place, reason)
        shorter = shorten(row, self._user, self.max_tokens, self.fits)
        if shorter is None:
            return DroppedRow(row.place, f"its answer alone is {reason}")
        (sample,) = self._samples([shorter])
        return sample._replace(truncated=True) if isinstance(sample, Rendered) else sample

    def _surely_too_long(self, row: Conversation) -> bool:
        """Without tokenizing: a text of megabytes would take minutes and gigabytes."""
        letters = sum(len("".join(text.split())) for text in texts_of(row.messages, ()))
        return letters > self.max_tokens * self._widest

    def _samples(self, rows: Sequence[Conversation]) -> list[Rendered | DroppedRow]:
        for row in rows:
            self._refuse_lost_system(row)
        plain = [row for row in rows if not row.has_tools]
        texts = list(map(self._text, plain))
        # the tokenizer below takes half the time, without offsets
        below = self.tokenizer.backend_tokenizer
        encodings = below.encode_batch_fast(texts, add_special_tokens=False)
        samples = map(self._sample, plain, texts, [encoding.ids for encoding in encodings])
        return [self._tool_sample(row) if row.has_tools else next(samples) for row in rows]

    def _text(self, row: Conversation, turns: int | None = None) -> str:
        """Return a row as text; with `turns`, so many of them, and the beginning of an answer."""
        messages, to_answer = row.messages[:turns], turns is not None
        try:
            return render_chat(self.tokenizer, messages, to_answer=to_answer, tools=row.tools)
        except ScaffoldError as error:
            fix = "correct or remove the row" if row.has_tools else error.fix
            raise ScaffoldError(error.what, where=row.place, fix=fix) from None

    def _tool_sample(self, row: Conversation) -> Rendered | DroppedRow:
        """Render a row of tools: what they look like depends on the row, so nothing is reused."""
        if not self._knows_tools:
            return DroppedRow(row.place, f"{TOOLS_LOST}tools")
        text = self._text(row)
        lost = lost_part(text, row.messages, row.tools)
        if lost:
            return DroppedRow(row.place, f"{TOOLS_LOST}{lost}")
        ids = self.tokenizer.encode(text, add_special_tokens=False)
        if len(self._marks(ids)) != len(self._written_marks.findall(text)):
            raise _forged(row)
        labels = [IGNORE] * len(ids)
        start = end = 0
        for turn in row.learned:
            prefix = self._text(row, turn)
            before = self.tokenizer.encode(prefix, add_special_tokens=False)
            start = len(before)
            if not text.startswith(prefix) or ids[:start] != before:
                raise _different(row)
            try:
                end = ids.index(self._end_of_turn, start)
            except ValueError:
                end = start
            if end == start:
                raise _empty(row)
            labels[start : end + 1] = ids[start : end + 1]
        if "tool_calls" in row.messages[-1]:
            answer = str(self.tokenizer.decode(ids[start:end], skip_special_tokens=True))
            row = replace(row, rendered_answer=answer)
        return Rendered(row, ids[: end + 1], labels[: end + 1])

    @cached_property
    def _knows_tools(self) -> bool:
        return knows_tools(self.tokenizer)

    @cached_property
    def _end_of_turn(self) -> int:
        return end_of_turn(self.tokenizer)

    @cached_property
    def _written_marks(self) -> re.Pattern[str]:
        """What finds control tokens in a text, the longest first."""
        return re.compile("|".join(map(re.escape, sorted(self._special, key=len, reverse=True))))

    def _sample(self, row: Conversation, text: str, ids: list[int]) -> Rendered:
        marks = self._marks(ids)
        layout = self._layout(row)
        if len(marks) != layout.marks:  # a normalizer made one of the text
            raise _forged(row)
        labels = [IGNORE] * len(ids)
        end = 0
        for turn, (before, gap) in zip(row.learned, layout.answers, strict=True):
            start = marks[before - 1] + 1 + len(gap)
            prefix = self._text(row, turn)
            if not text.startswith(prefix) or ids[start - len(gap) : start] != gap:
                raise _different(row)
            end = marks[before] if before < len(marks) else -1
            if end <= start:
                raise _empty(row)
            labels[start : end + 1] = ids[start : end + 1]
        # what the template writes after the last end of turn is never trained and never read
        return Rendered(row, ids[: end + 1], labels[: end + 1])

    def _layout(self, row: Conversation) -> TemplateMarks:
        """Return where the template puts its marks, which only the roles decide.

        A text is cut at its marks before anything else is done to it, so the ids up to a mark are
        the same whatever stands behind it: prompts need not be tokenized a second time.
        """
        roles = tuple(message["role"] for message in row.messages)
        key = (roles, row.shown)
        if key not in self._layouts:
            self._refuse_lost_middle(row, roles)
            plain = [{"role": role, "content": "x"} for role in roles]
            found = []
            for turn in row.learned:
                prefix = encode(self.tokenizer, plain[:turn], to_answer=True)
                marks = self._marks(prefix)
                if not marks:
                    raise ScaffoldError(
                        "The chat template puts no control token before the answer.",
                        where=row.place,
                        fix="use the model's original tokenizer and chat template",
                    )
                found.append((len(marks), prefix[marks[-1] + 1 :]))
            whole = encode(self.tokenizer, plain, to_answer=False)
            self._layouts[key] = TemplateMarks(len(self._marks(whole)), found)
        return self._layouts[key]

    def _marks(self, ids: list[int]) -> list[int]:
        return [place for place, token in enumerate(ids) if token in self._special_ids]

    def _refuse_control_tokens(self, row: Conversation) -> None:
        """User text that would forge a turn is refused, never tokenized as a control token."""
        for text in texts_of(row.messages, row.tools):
            try:
                Prompt.check_text(text, self._special)
            except ScaffoldError as error:
                raise ScaffoldError(error.what, where=row.place, fix=error.fix) from None

    def _refuse_lost_system(self, row: Conversation) -> None:
        """Refuse a system turn that the template (Phi-3-medium's, say) leaves out silently."""
        first = row.messages[0]
        if first["role"] != "system" or first["content"] == self._kept_system:
            return
        without = replace(row, messages=row.messages[1:])
        try:
            whole = self._text(row)
        except ScaffoldError as error:  # Gemma's raises
            raise ScaffoldError(error.what, where=row.place, fix=NO_SYSTEM) from None
        if whole == self._text(without):
            raise ScaffoldError(
                "The model's chat template leaves system prompts out.",
                where=row.place,
                fix=NO_SYSTEM,
            )
        self._kept_system = first["content"]

    def _refuse_lost_middle(self, row: Conversation, roles: Sequence[str]) -> None:
        """Refuse a later system turn that the template leaves out or writes elsewhere."""
        if "system" not in roles[1:]:
            return
        words = [f"turn-{number:04}" for number in range(len(roles))]
        turns = zip(roles, words, strict=True)
        written = self._text(
            replace(row, messages=[{"role": role, "content": word} for role, word in turns])
        )
        places = [written.find(word) for word in words]
        if -1 in places or places != sorted(places):
            raise ScaffoldError(
                "The model's chat template does not keep a system turn in the middle of a "
                "conversation.",
                where=row.place,
                fix="remove that turn, or write it into the user's turn",
            )


def _forged(row: Conversation) -> ScaffoldError:
    return ScaffoldError(
        "The text turns into a control token of the model, which would forge a turn.",
        where=row.place,
        fix="remove it from the text",
    )


def _different(row: Conversation) -> ScaffoldError:
    return ScaffoldError(
        "The chat template renders the prompt differently once the answer follows it, so "
        "training and inference would differ.",
        where=row.place,
        fix="use the model's original tokenizer and chat template",
    )


def _empty(row: Conversation) -> ScaffoldError:
    return ScaffoldError(
        "The row has no trained token: its answer renders to nothing.",
        where=row.place,
        fix="correct the answer, or the model's chat template",
    )
