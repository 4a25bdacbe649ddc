"""Conversations become token ids and labels, by the tokenizer's own chat template.

Loss falls on the assistant's words and on the token that ends the turn, so that the model learns
to stop; on nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from phi3scaffold.datasets.conversations import Conversation, DroppedRow
from phi3scaffold.datasets.truncation import shorten
from phi3scaffold.models.chat_template import encode, load_tokenizer, render_chat
from phi3scaffold.models.prompt import Prompt, special_tokens
from phi3scaffold.project.errors import ScaffoldError

NO_SYSTEM = (
    "set system: null in datasets/dataset.yaml and take the rows' own system turns out, or write "
    "them into the user turn"
)
IGNORE = -100  # what torch's cross entropy leaves out


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
        self._layouts: dict[tuple[str, ...], TemplateMarks] = {}
        self._kept_system: str | None = None  # the last one that the template was seen to keep

    def render(self, rows: Sequence[Conversation]) -> list[Rendered | DroppedRow]:
        """Return every row rendered, or `DroppedRow` where it is too long.

        Raises:
            ScaffoldError: naming the first row whose text holds a control token, that has no
                trained token, or that the chat template does not keep as it was asked.
        """
        for row in rows:
            self._refuse_control_tokens(row)
        plausible = [row for row in rows if not self._surely_too_long(row)]
        rendered = dict(zip(map(id, plausible), self._samples(plausible), strict=True))
        return [self._fitting(row, rendered.get(id(row))) for row in rows]

    def fits(self, row: Conversation) -> bool:
        """Return whether the row keeps within the limit."""
        if self._surely_too_long(row):
            return False
        return len(encode(self.tokenizer, row.messages, to_answer=False)) <= self.max_tokens

    def _fitting(self, row: Conversation, rendered: Rendered | None) -> Rendered | DroppedRow:
        if rendered is not None and len(rendered.input_ids) <= self.max_tokens:
            return rendered
        reason = f"longer than {self.max_tokens} tokens"
        if not self._truncates:
            return DroppedRow(row.place, reason)
        shorter = shorten(row, self._user, self.max_tokens, self.fits)
        if shorter is None:
            return DroppedRow(row.place, f"its answer alone is {reason}")
        return self._samples([shorter])[0]._replace(truncated=True)

    def _surely_too_long(self, row: Conversation) -> bool:
        """Without tokenizing: a text of megabytes would take minutes and gigabytes."""
        letters = sum(len("".join(message["content"].split())) for message in row.messages)
        return letters > self.max_tokens * self._widest

    def _samples(self, rows: Sequence[Conversation]) -> list[Rendered]:
        for row in rows:
            self._refuse_lost_system(row)
        texts = [render_chat(self.tokenizer, row.messages, to_answer=False) for row in rows]
        # the tokenizer below takes half the time, without offsets
        below = self.tokenizer.backend_tokenizer
        encodings = below.encode_batch_fast(texts, add_special_tokens=False)
        return list(map(self._sample, rows, texts, [encoding.ids for encoding in encodings]))

    def _sample(self, row: Conversation, text: str, ids: list[int]) -> Rendered:
        marks = self._marks(ids)
        layout = self._layout(row)
        if len(marks) != layout.marks:  # a normalizer made one of the text
            raise ScaffoldError(
                "The text turns into a control token of the model, which would forge a turn.",
                where=row.place,
                fix="take it out of the text",
            )
        labels = [IGNORE] * len(ids)
        end = 0
        for turn, (before, gap) in zip(answers(row), layout.answers, strict=True):
            start = marks[before - 1] + 1 + len(gap)
            prefix = render_chat(self.tokenizer, row.messages[:turn], to_answer=True)
            if not text.startswith(prefix) or ids[start - len(gap) : start] != gap:
                raise ScaffoldError(
                    "The chat template renders the prompt differently once the answer stands "
                    "behind it, so training and inference would differ.",
                    where=row.place,
                    fix="use the model's original tokenizer and chat template",
                )
            end = marks[before] if before < len(marks) else -1
            if end <= start:
                raise ScaffoldError(
                    "The row has no trained token: its answer renders to nothing.",
                    where=row.place,
                    fix="mend the answer, or the model's chat template",
                )
            labels[start : end + 1] = ids[start : end + 1]
        # what the template writes after the last end of turn is never trained and never read
        return Rendered(row, ids[: end + 1], labels[: end + 1])

    def _layout(self, row: Conversation) -> TemplateMarks:
        """Return where the template puts its marks, which only the roles of the turns decide.

        A text is cut at its marks before anything else is done to it, so the ids up to a mark are
        the same whatever stands behind it: prompts need not be tokenized a second time.
        """
        roles = tuple(message["role"] for message in row.messages)
        if roles not in self._layouts:
            plain = [{"role": role, "content": "x"} for role in roles]
            found = []
            for turn in answers(row):
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
            self._layouts[roles] = TemplateMarks(len(self._marks(whole)), found)
        return self._layouts[roles]

    def _marks(self, ids: list[int]) -> list[int]:
        return [place for place, token in enumerate(ids) if token in self._special_ids]

    def _refuse_control_tokens(self, row: Conversation) -> None:
        """User text that would forge a turn is refused, never tokenized as a control token."""
        for message in row.messages:
            try:
                Prompt.check_text(message["content"], self._special)
            except ScaffoldError as error:
                raise ScaffoldError(error.what, where=row.place, fix=error.fix) from None

    def _refuse_lost_system(self, row: Conversation) -> None:
        """Refuse a system turn that the template (Phi-3-medium's, say) leaves out silently."""
        first, *others = row.messages
        if first["role"] != "system" or first["content"] == self._kept_system:
            return
        without = render_chat(self.tokenizer, others, to_answer=False)
        try:
            whole = render_chat(self.tokenizer, row.messages, to_answer=False)
        except ScaffoldError as error:  # Gemma's raises
            raise ScaffoldError(error.what, where=row.place, fix=NO_SYSTEM) from None
        if whole == without:
            raise ScaffoldError(
                "The model's chat template leaves system prompts out.",
                where=row.place,
                fix=NO_SYSTEM,
            )
        self._kept_system = first["content"]


def answers(row: Conversation) -> list[int]:
    """Return the turns that are trained."""
    return [turn for turn, message in enumerate(row.messages) if message["role"] == "assistant"]
