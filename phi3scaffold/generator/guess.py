"""Look at the user's rows and guess which columns are the question and which the answer.

Only the standard library: `datasets` is not part of the light installation. The guess is written
to datasets/dataset.yaml, where the user changes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi3scaffold.errors import ScaffoldError
from phi3scaffold.generator.rows import Row, read_rows

HELD_OUT_FRACTION = 0.2
MOST_LABELS = 50

TEXT_NAMES = (
    "text", "phrase", "sentence", "utterance", "review", "comment", "message", "content", "body",
    "title", "headline", "tweet", "query", "question", "input", "prompt",
)  # fmt: skip
LABEL_NAMES = (
    "label", "labels", "tone", "sentiment", "emotion", "category", "class", "intent", "topic",
    "target", "type", "answer", "output",
)  # fmt: skip
# (questions, answers), best first; an instruction may have an input beside it.
PAIRS = (
    (("question",), ("best answer", "best_answer", "answer", "answers", "response")),
    (("instruction",), ("output", "response", "completion", "answer")),
    (("prompt",), ("completion", "response", "output", "answer")),
    (("input", "query", "user"), ("output", "response", "answer", "target", "assistant")),
)


@dataclass(frozen=True)
class Rows:
    """What was found in the rows; becomes the answer `rows` and so datasets/dataset.yaml.

    Attributes:
        count: rows read.
        columns: the columns that the user turn uses.
        user, assistant: turn templates such as ``{phrase}``; None for chat.
        messages: the column that holds whole conversations; None unless chat.
        labels: the label values, sorted; empty unless classify.
        said: one sentence for the person who runs `new`.
    """

    count: int
    columns: tuple[str, ...]
    user: str | None
    assistant: str | None
    messages: str | None
    labels: tuple[str, ...]
    said: str

    def answer(self, train: str, held_out: str | float) -> dict[str, Any]:
        """The value of copier's answer `rows`."""
        return {
            "train": train,
            "held_out": held_out,
            "user": self.user,
            "assistant": self.assistant,
            "messages": self.messages,
            "labels": list(self.labels),
            "columns": list(self.columns),
        }


def guess(path: Path, task: str) -> Rows:
    """Read every row of `path` and guess its columns for `task` (classify, qa or chat).

    Raises:
        ScaffoldError: with file:line, when the file cannot be read or does not fit the task.
    """
    rows = list(read_rows(path))
    if not rows:
        raise ScaffoldError("The data file has no rows.", where=path)
    columns = list(rows[0].values)
    if task == "chat":
        return _chat(path, rows, columns)
    if task == "qa":
        return _question_answer(path, rows, columns)
    return _classify(path, rows, columns)


def _chat(path: Path, rows: Sequence[Row], columns: list[str]) -> Rows:
    name = _first(columns, ("messages", "conversation", "conversations"))
    if name is None:
        raise _lacking(path, columns, "chat", "a column `messages` with a list of turns")
    for row in rows:
        _check_turns(row, name)
    return Rows(
        len(rows), ("message",), None, None, name, (),
        f"conversations in column `{name}`",
    )  # fmt: skip


def _check_turns(row: Row, name: str) -> None:
    turns = row.values.get(name)
    if not isinstance(turns, list) or not turns:
        raise ScaffoldError(f"Column {name!r} must be a list of turns.", where=row.where)
    for turn in turns:
        fits = (
            isinstance(turn, dict)
            and turn.get("role") in ("system", "user", "assistant")
            and isinstance(turn.get("content"), str)
        )
        if not fits:
            raise ScaffoldError(
                f"A turn in column {name!r} is not "
                '{"role": "system" | "user" | "assistant", "content": text}.',
                where=row.where,
            )
    spoken = [turn["role"] for turn in turns if turn["role"] != "system"]
    expected = [("user", "assistant")[index % 2] for index in range(len(spoken))]
    if spoken != expected or turns[-1]["role"] != "assistant":
        raise ScaffoldError(
            "The turns must go user, assistant, ... and end with assistant, not: "
            f"{', '.join(spoken)}.",
            where=row.where,
        )


def _question_answer(path: Path, rows: Sequence[Row], columns: list[str]) -> Rows:
    for questions, answers in PAIRS:
        question = _first(columns, questions)
        answer = _first([name for name in columns if name != question], answers)
        if question and answer:
            break
    else:
        raise _lacking(
            path, columns, "qa", "a question and an answer (Question / Best Answer, "
            "instruction / output, prompt / completion or input / output)"
        )  # fmt: skip
    user, used = f"{{{question}}}", [question]
    extra = _first(columns, ("input", "context"))
    if question.lower() == "instruction" and extra and extra != answer:
        user, used = f"{{{question}}}\n{{{extra}}}", [question, extra]
    _check_cells(rows, [*used, answer])
    return Rows(
        len(rows), tuple(used), user, f"{{{answer}}}", None, (),
        f"{' and '.join(f'`{name}`' for name in used)} as the question, `{answer}` as the answer",
    )  # fmt: skip


def _classify(path: Path, rows: Sequence[Row], columns: list[str]) -> Rows:
    if _first(columns, ("messages",)):
        raise _lacking(path, columns, "classify", "a text and a label")
    simple = [name for name in columns if not isinstance(rows[0].values[name], (list, dict))]
    label = _first(simple, LABEL_NAMES)
    text = _first([name for name in simple if name != label], TEXT_NAMES)
    if label is None:
        label = _fewest_values(rows, [name for name in simple if name != text])
    if text is None:
        text = _longest(rows, [name for name in simple if name != label])
    if label is None or text is None:
        raise _lacking(path, columns, "classify", "a text column and a label column")
    _check_cells(rows, [text, label])
    labels = sorted({row.values[label] for row in rows if (row.values[label] or "").strip()})
    if len(labels) < 2:
        raise ScaffoldError(
            f"Column {label!r} has only one label: {labels[0]!r}.",
            where=path,
            fix="classifying needs at least two labels",
        )
    if len(labels) > MOST_LABELS:
        raise ScaffoldError(
            f"Column {label!r} has {len(labels)} different values; that is no label.",
            where=path,
            fix=f"at most {MOST_LABELS} labels; name the label column `label`, or use --task qa",
        )
    return Rows(
        len(rows), (text,), f"{{{text}}}\n{label.replace('_', ' ').capitalize()}:",
        f"{{{label}}}", None, tuple(labels),
        f"`{text}` as the text, `{label}` as the label ({', '.join(labels[:6])}"
        f"{', ...' if len(labels) > 6 else ''})",
    )  # fmt: skip


def _lacking(path: Path, columns: Iterable[str], task: str, needs: str) -> ScaffoldError:
    names = list(columns)
    lower = {name.lower() for name in names}
    other = None
    if task != "chat" and "messages" in lower:
        other = "chat"
    elif task != "qa" and any(
        lower & set(questions) and lower & set(answers) for questions, answers in PAIRS
    ):
        other = "qa"
    elif task != "classify" and lower & set(LABEL_NAMES[:9]):
        other = "classify"
    fix = f"--task {other} fits these columns" if other else "rename the columns"
    return ScaffoldError(
        f"--task {task} needs {needs}; the columns are: {', '.join(names)}.", where=path, fix=fix
    )


def _first(columns: Iterable[str], names: Sequence[str]) -> str | None:
    """The column whose name, in lower case, stands earliest in `names`."""
    lower = {column.strip().lower(): column for column in columns}
    return next((lower[name] for name in names if name in lower), None)


def _check_cells(rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Every row has every column, as text; a single empty cell is dropped later, and counted."""
    for column in columns:
        if "{" in column or "}" in column:
            raise ScaffoldError(
                f"Column {column!r}: braces are not allowed in a column's name.",
                where=rows[0].where,
            )
        filled = False
        for row in rows:
            if column not in row.values:
                raise ScaffoldError(
                    f"The row lacks column {column!r}; it has: {', '.join(row.values)}.",
                    where=row.where,
                )
            value = row.values[column]
            if value is not None and not isinstance(value, str):
                raise ScaffoldError(
                    f"Column {column!r} holds {type(value).__name__}, not text.",
                    where=row.where,
                    fix="write it as text, in quotes",
                )
            filled = filled or bool(value and value.strip())
        if not filled:
            raise ScaffoldError(f"Column {column!r} is empty in every row.", where=rows[0].where)


def _fewest_values(rows: Sequence[Row], columns: Iterable[str]) -> str | None:
    """The column that looks most like a label: the fewest different values, at most half."""
    counts = {
        name: len({str(row.values.get(name)) for row in rows}) for name in columns
    }  # fmt: skip
    fitting = [name for name in counts if counts[name] <= min(MOST_LABELS, len(rows) / 2)]
    return min(fitting, key=counts.__getitem__, default=None)


def _longest(rows: Sequence[Row], columns: Iterable[str]) -> str | None:
    """The text column with the longest texts."""
    lengths = {
        name: sum(len(str(row.values.get(name, ""))) for row in rows)
        for name in columns
        if isinstance(rows[0].values[name], str)
    }
    return max(lengths, key=lengths.__getitem__, default=None)
