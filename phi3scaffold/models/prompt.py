"""prompt.json: how a user's words become the messages that the model was trained on.

It lies beside the tokenizer of every form in gen-model/, and everything that answers (the
runtime, the stand-alone scripts) only interprets it. Nothing heavy is imported here.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from phi3scaffold.models.column_templates import Message, columns_of, fill
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import read_json

FILE = "prompt.json"
WHOLE = "{message}"  # the user turn of a model that was trained on whole conversations


@dataclass(frozen=True)
class Prompt:
    """The prompt of one fine-tuned model.

    Attributes:
        task: classify, qa or chat.
        system: the system turn, which may have ``{column}`` in it, too; or None.
        user: the user turn with ``{column}`` in it.
        columns: the columns `user` names, in order, then those that only `system` names; these may
            be left out. Braces in `system` around anything else are plain text.
        labels: the allowed answers of a classification, or ().
        stop: token ids that end an answer; at least one.
        max_new_tokens: how long an answer may get, in tokens, where nobody says otherwise.
        demonstration: whether the model only shows that the pipeline works.
        model: the name of the base model.
    """

    task: str
    user: str
    columns: tuple[str, ...]
    stop: tuple[int, ...]
    system: str | None = None
    labels: tuple[str, ...] = ()
    max_new_tokens: int = 128
    demonstration: bool = False
    model: str = ""

    @classmethod
    def load(cls, folder: Path) -> Prompt:
        """Read `folder`/prompt.json. Raises ScaffoldError naming the key that is wrong."""
        path = folder / FILE
        if not path.is_file():
            raise ScaffoldError(
                "The model's prompt is missing.",
                where=path,
                fix="make the model again: phi3scaffold run",
            )
        raw = read_json(path)
        return cls(
            task=_text(raw, "task", path),
            user=_text(raw, "user", path),
            columns=_texts(raw, "columns", path),
            stop=_ids(raw, "stop", path),
            system=raw.get("system") or None,
            labels=_texts(raw, "labels", path) if raw.get("labels") else (),
            max_new_tokens=_count(raw, "max_new_tokens", path),
            demonstration=bool(raw.get("demonstration", False)),
            model=str(raw.get("model", "")),
        )

    @property
    def user_columns(self) -> tuple[str, ...]:
        return tuple(name for name in columns_of(self.user) if name in self.columns)

    @property
    def system_columns(self) -> tuple[str, ...]:
        return tuple(name for name in columns_of(self.system or "") if name in self.columns)

    @property
    def fixed_system(self) -> str | None:
        """The system turn that every prompt has; None where rows had one each, or none."""
        return None if self.system_columns else self.system

    def save(self, folder: Path) -> Path:
        """Write `folder`/prompt.json; the same prompt gives the same bytes."""
        path = folder / FILE
        text = json.dumps(asdict(self), ensure_ascii=False, indent=2)
        path.write_text(text + "\n", encoding="utf-8", newline="\n")
        return path

    def messages(
        self, values: Mapping[str, str] | str, history: Sequence[Message] = ()
    ) -> list[Message]:
        """Return the turns to send: the system's, the `history`, and the user's, filled.

        Args:
            values: the text of every column, or one text where there is one column.
            history: earlier user and assistant turns of a chat, oldest first.

        Raises:
            ScaffoldError: a column is missing or unknown, or all of them are empty.
        """
        known = self._values(values)
        user = {"role": "user", "content": fill(self.user, known)}
        return [*self._system(known), *history, user]

    def conversation(self, turns: Sequence[Message]) -> list[Message]:
        """Turn a client's turns into those that the model was trained to read.

        The trained system turn comes first, unless the turns begin with one of their own. Each
        user's text fills the user turn, as a row's column did; where that has several columns, the
        text is a JSON object with all of them. Columns of the system turn may be in the first.

        Raises:
            ScaffoldError: a text is not such an object, or a column is missing or unknown.
        """
        own_system = turns[:1] if turns and turns[0]["role"] == "system" else []
        rest: list[Message] = []
        first: dict[str, str] = {}
        for turn in turns[len(own_system) :]:
            if turn["role"] == "user":
                values = self._values(self._read(turn["content"]))
                first = first or values
                turn = {"role": "user", "content": fill(self.user, values)}
            rest.append(turn)
        return [*(own_system or self._system(first)), *rest]

    def spoken(self, values: Mapping[str, str]) -> str:
        """Return the one text in which `conversation` finds these columns.

        Raises:
            ScaffoldError: a column is missing or unknown.
        """
        known = self._values(values)
        if len(self.user_columns) == 1 and not any(map(known.get, self.system_columns)):
            return known[self.user_columns[0]]
        return json.dumps(known, ensure_ascii=False)

    def _system(self, values: Mapping[str, str]) -> list[Message]:
        """Return the system turn; none where its columns are empty."""
        texts = {name: values.get(name, "") for name in self.system_columns}
        if not self.system or (texts and not any(map(str.strip, texts.values()))):
            return []
        return [{"role": "system", "content": fill(self.system, texts)}]

    def _read(self, text: str) -> str | dict[str, str]:
        if len(self.columns) == 1:
            return text
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            values = None
        alone = len(self.user_columns) == 1
        if alone and not (isinstance(values, dict) and set(values) == set(self.columns)):
            return text  # the columns of the system turn are left out
        if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
            example = json.dumps(dict.fromkeys(self.columns, "..."), ensure_ascii=False)
            raise ScaffoldError(
                f"This model's prompt has {len(self.columns)} columns.",
                fix=f"phi3scaffold infer {self._each()}; over HTTP the text is a JSON object of "
                f"texts: {example}",
            )
        return values

    def _each(self) -> str:
        """Return the options of `infer` that name every column."""
        return " ".join(f"--set {shlex.quote(f'{name}=...')}" for name in self.columns)

    def _values(self, values: Mapping[str, str] | str) -> dict[str, str]:
        names = ", ".join(self.columns) or "none"
        each = self._each()
        if isinstance(values, str):
            if len(self.user_columns) != 1:
                raise ScaffoldError(
                    f"The prompt has {len(self.columns)} columns, not one: {names}.",
                    fix=f"name them: {each}" if each else "see turns in datasets/dataset.yaml",
                )
            values = {self.user_columns[0]: values}
        unknown = [name for name in values if name not in self.columns]
        if unknown:
            raise ScaffoldError(
                f"The prompt has no column {unknown[0]!r}.", fix=f"its columns: {names}"
            )
        missing = [name for name in self.user_columns if name not in values]
        if missing:
            raise ScaffoldError(f"The column {missing[0]!r} has no text.", fix=f"give it: {each}")
        if values and not any(values[name].strip() for name in self.user_columns):
            # no row with such a prompt is trained either
            raise ScaffoldError("The prompt is empty, or only white space.", fix="write a text")
        return dict.fromkeys(self.system_columns, "") | dict(values)

    @staticmethod
    def check_text(text: str, special_tokens: Iterable[str]) -> None:
        """Refuse a user's text that could not be told from the chat's own marks.

        Raises:
            ScaffoldError: the text holds a special token of the tokenizer, a NUL, or is not text.
        """
        for token in special_tokens:
            if token in text:
                raise ScaffoldError(
                    f"The text contains the control token {token}, which would forge a turn.",
                    fix="remove it from the text",
                )
        if "\0" in text:
            raise ScaffoldError("The text contains a NUL character.", fix="remove it")
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise ScaffoldError("The text is not valid UTF-8.", fix="give UTF-8 text") from None


def special_tokens(folder: Path) -> tuple[str, ...]:
    """Return the control tokens of the tokenizer in `folder`, read off its tokenizer.json.

    All that were added to the vocabulary, since they become a single id wherever they stand;
    Phi's tokenizers leave the mark ``special`` off some of them, such as ``</s>``.

    Raises:
        ScaffoldError: there is no readable tokenizer.json.
    """
    path = folder / "tokenizer.json"
    added = read_json(path).get("added_tokens", [])
    return tuple(token["content"] for token in added if token["content"].strip())


def _text(raw: Mapping[str, Any], key: str, path: Path) -> str:
    value = raw.get(key)
    if not isinstance(value, str):
        raise ScaffoldError(f"{key} must be text, not {value!r}.", where=f"{path}: {key}")
    return value


def _texts(raw: Mapping[str, Any], key: str, path: Path) -> tuple[str, ...]:
    value = raw.get(key)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ScaffoldError(f"{key} must be a list of texts.", where=f"{path}: {key}")
    return tuple(value)


def _ids(raw: Mapping[str, Any], key: str, path: Path) -> tuple[int, ...]:
    value = raw.get(key)
    whole = isinstance(value, list) and value and all(type(i) is int and i >= 0 for i in value)
    if not isinstance(value, list) or not whole:
        raise ScaffoldError(f"{key} must be token ids, at least one.", where=f"{path}: {key}")
    return tuple(value)


def _count(raw: Mapping[str, Any], key: str, path: Path) -> int:
    value = raw.get(key, 128)
    if type(value) is not int or value < 1:
        raise ScaffoldError(f"{key} must be at least 1, not {value!r}.", where=f"{path}: {key}")
    return value
