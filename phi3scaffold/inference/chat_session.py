"""A conversation: what was said, what still fits, and what of it is saved."""

from __future__ import annotations

import json
from pathlib import Path

from phi3scaffold.inference.answer import Answer, request
from phi3scaffold.inference.answer_settings import AnswerSettings
from phi3scaffold.inference.api_error import ApiError
from phi3scaffold.inference.engine import encoded
from phi3scaffold.inference.forms.form import Form
from phi3scaffold.models.templates import Message
from phi3scaffold.project.errors import ScaffoldError


class ChatSession:
    """Only a model that was trained to chat is shown what was said before.

    Attributes:
        form: what answers; another may take its place.
        settings: of the answers that come.
        turns: what was said, oldest first: users' texts (several columns: a JSON object of them)
            and answers.
        forgotten: how many of the turns the last answer could not be shown, as the context is full.
    """

    def __init__(self, form: Form, settings: AnswerSettings) -> None:
        self.form, self.settings = form, settings
        self.turns: list[Message] = []
        self.forgotten = 0

    @property
    def remembers(self) -> bool:
        return self.form.prompt.task == "chat"

    @property
    def last(self) -> str:
        """The user's last text. Raises ScaffoldError where nothing was said yet."""
        if not self.turns:
            raise ScaffoldError("There is no answer to try again.")
        return self.turns[-2]["content"]

    def ask(self, text: str, *, again: bool = False) -> Answer:
        """The answer to come. Raises ScaffoldError where the text can have none.

        Args:
            again: as if the last exchange had not been.
        """
        said = {"role": "user", "content": text}
        before = self.turns[: -2 if again else None] if self.remembers else []
        self.forgotten = 0
        while before[self.forgotten :] and not self._fits([*before[self.forgotten :], said]):
            self.forgotten += 2
        return Answer(self.form, [*before[self.forgotten :], said], self.settings)

    def keep(self, text: str, answer: str, *, again: bool = False) -> None:
        """Remember one exchange, `again`: instead of the last; not one without an answer."""
        if answer:
            del self.turns[len(self.turns) - (2 if again else 0) :]
            self.turns.append({"role": "user", "content": text})
            self.turns.append({"role": "assistant", "content": answer})

    def reset(self) -> None:
        self.turns.clear()

    def save(self, file: Path) -> int:
        """Append what was said to `file`, as rows of messages; returns how many rows.

        One row is the whole conversation; where each prompt stands alone, each exchange is one.

        Raises:
            ScaffoldError: nothing was said, or the file's name is no .jsonl.
            OSError: it cannot be written.
        """
        if not self.turns:
            raise ScaffoldError("Nothing was said yet.")
        if file.suffix.lower() != ".jsonl":
            raise ScaffoldError(
                "The conversation is saved as a row of a .jsonl file.",
                where=file,
                fix=f"/save {file.with_suffix('.jsonl')}",
            )
        step = len(self.turns) if self.remembers else 2
        system = self.settings.system
        rows = [
            json.dumps(
                {"messages": [*_system(system), *self.turns[at : at + step]]}, ensure_ascii=False
            )
            for at in range(0, len(self.turns), step)
        ]
        with file.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write("".join(f"{row}\n" for row in rows))
        return len(rows)

    def _fits(self, turns: list[Message]) -> bool:
        try:
            ids = encoded(self.form, request(turns, self.settings))
        except ApiError as refused:
            raise ScaffoldError(refused.message) from None
        limit = self.settings.max_tokens or self.form.prompt.max_new_tokens
        return len(ids) + limit <= self.form.context


def _system(text: str | None) -> list[Message]:
    return [{"role": "system", "content": text}] if text is not None else []
