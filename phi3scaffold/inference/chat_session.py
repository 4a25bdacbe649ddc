"""A conversation: its turns, which of them still fit into the context, and saving them."""

from __future__ import annotations

import json
from pathlib import Path

from phi3scaffold.inference.answer import MODEL, Answer
from phi3scaffold.inference.answer_settings import AnswerSettings
from phi3scaffold.inference.api_error import ApiError
from phi3scaffold.inference.engine import encode
from phi3scaffold.inference.forms.form import Form
from phi3scaffold.models.column_templates import Message
from phi3scaffold.project.errors import ScaffoldError


class ChatSession:
    """A conversation with one form. Only a model trained to chat is shown the earlier turns.

    Attributes:
        form, settings: what answers, and how; the caller may replace them.
        turns: oldest first: the user's texts (of several columns: a JSON object) and answers.
        dropped: how many turns were left out of the last prompt, because the context was full.
    """

    def __init__(self, form: Form, settings: AnswerSettings) -> None:
        self.form, self.settings = form, settings
        self.turns: list[Message] = []
        self.dropped = 0

    @property
    def remembers(self) -> bool:
        return self.form.prompt.task == "chat"

    @property
    def last(self) -> str:
        """The user's last text. Raises ScaffoldError where there is none."""
        if not self.turns:
            raise ScaffoldError("There is no answer to retry.")
        return self.turns[-2]["content"]

    def ask(self, text: str, *, again: bool = False) -> Answer:
        """Return the answer, not yet begun. Raises ScaffoldError where the text can have none.

        Args:
            again: answer as if the last exchange had not happened.
        """
        turn = {"role": "user", "content": text}
        before = self.turns[: -2 if again else None] if self.remembers else []
        self.dropped = 0
        while before[self.dropped :] and not self._fits([*before[self.dropped :], turn]):
            self.dropped += 2
        return Answer(self.form, [*before[self.dropped :], turn], self.settings)

    def add(self, text: str, answer: str, *, again: bool = False) -> None:
        """Remember one exchange that has an answer; `again`: in place of the last one."""
        if answer:
            del self.turns[len(self.turns) - (2 if again else 0) :]
            self.turns.append({"role": "user", "content": text})
            self.turns.append({"role": "assistant", "content": answer})

    def reset(self) -> None:
        """Forget all turns."""
        self.turns.clear()

    def save(self, file: Path) -> int:
        """Append the conversation to `file`, as rows of messages; return how many rows.

        One row is the whole conversation; for a model of single prompts, each exchange is one.

        Raises:
            ScaffoldError: there are no turns, or the file's name is no .jsonl.
            OSError: it cannot be written.
        """
        if not self.turns:
            raise ScaffoldError("The conversation is empty.")
        if file.suffix.lower() != ".jsonl":
            raise ScaffoldError(
                "The conversation is saved as a row of a .jsonl file.",
                where=file,
                fix=f"/save {file.with_suffix('.jsonl')}",
            )
        step = len(self.turns) if self.remembers else 2
        starts = range(0, len(self.turns), step)
        with file.open("a", encoding="utf-8", newline="\n") as stream:
            for start in starts:
                row = {"messages": self.settings.system_turns + self.turns[start : start + step]}
                stream.write(f"{json.dumps(row, ensure_ascii=False)}\n")
        return len(starts)

    def _fits(self, turns: list[Message]) -> bool:
        try:
            ids = encode(self.form, self.settings.request(turns, MODEL))
        except ApiError as error:
            raise ScaffoldError(error.message) from None
        limit = self.settings.max_tokens or self.form.prompt.max_new_tokens
        return len(ids) + limit <= self.form.context
