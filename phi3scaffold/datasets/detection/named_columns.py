"""Take the columns that a person named, with --prompt and --answer, for what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from phi3scaffold.datasets.detection.chat import chat
from phi3scaffold.datasets.detection.classification import choose, classification
from phi3scaffold.datasets.detection.column_kinds import TEXT, RowColumn
from phi3scaffold.datasets.detection.guess import Guess, Head, quoted
from phi3scaffold.datasets.detection.other_kinds import WORSE
from phi3scaffold.datasets.detection.question_answer import BESIDE, PAIRS
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.near_names import near_names

PROMPT, ANSWER = "--prompt", "--answer"


class NamedColumns(NamedTuple):
    """The columns that a person named.

    Attributes:
        prompt: what the model reads: a column, or several with commas between; "" to choose.
        answer: what it answers, or the column of whole conversations; "" to choose.
    """

    prompt: str = ""
    answer: str = ""


def named_columns(head: Head, task: str | None, names: NamedColumns) -> Guess | None:
    """Return the guess that uses these columns; None where the others do not fit the task.

    Raises:
        ScaffoldError: a column is not there, or the two do not go together.
    """
    answer = _column(head, names.answer, ANSWER) if names.answer else ""
    prompt = _columns(head, names.prompt)
    if answer in prompt:
        raise ScaffoldError(
            f"The column {answer!r} cannot be both prompt and answer.",
            where=ANSWER,
            fix="name two columns",
        )
    if answer and isinstance(head.value(answer), list) and task in (None, "chat"):
        return _conversations(head, prompt, answer)
    if task == "chat":
        named = answer or prompt[0]
        raise ScaffoldError(
            f"--task chat needs a column with a list of turns, and {named!r} is not one.",
            where=ANSWER if answer else PROMPT,
            fix="--task qa, or name such a column with --answer",
        )
    if task == "classify" or (
        task is None and (not answer or _column_of(head, answer).is_repeated)
    ):
        choice = choose(head, answer, prompt)
        if choice is not None or task == "classify":
            return classification(choice) if choice else None
    prompt = prompt or _questions(head, answer)
    if not prompt or not answer:
        return None
    said = f"{quoted(prompt)} as the question, `{answer}` as the answer"
    user = "\n".join(f"{{{name}}}" for name in prompt)
    return Guess("qa", said, tuple(prompt), user, f"{{{answer}}}")


def _columns(head: Head, names: str) -> list[str]:
    if not names:
        return []
    parts = [names] if names in head.columns else [part.strip() for part in names.split(",")]
    return [_column(head, part, PROMPT) for part in parts]


def _column(head: Head, name: str, option: str) -> str:
    """Return the column of a name, its case aside."""
    if name in head.columns:
        return name
    same = [column for column in head.columns if column.strip().lower() == name.strip().lower()]
    if len(same) == 1:
        return same[0]
    near = near_names(name, head.columns)
    raise ScaffoldError(
        f"There is no column {name!r}; the columns are: {', '.join(head.columns)}.",
        where=option,
        fix=f"did you mean {near[0]!r}?" if near else "name one of these",
    )


def _column_of(head: Head, name: str) -> RowColumn:
    return RowColumn(name, head.values(name))


def _conversations(head: Head, prompt: Sequence[str], answer: str) -> Guess | None:
    """Return the guess of whole conversations in `answer`, behind turns in `prompt` if named."""
    if prompt and (len(prompt) > 1 or not isinstance(head.value(prompt[0]), list)):
        raise ScaffoldError(
            f"The column {answer!r} holds whole conversations, including their questions.",
            where=PROMPT,
            fix=f"omit --prompt: --answer {answer}",
        )
    called = {"prompt": prompt[0], "completion": answer} if prompt else {"messages": answer}
    rows = [
        row._replace(values={name: row.values.get(column) for name, column in called.items()})
        for row in head.rows
    ]
    found = chat(Head(rows))
    if found is None or found.messages is None:
        return None
    form = replace(found.messages, column=answer)
    if prompt:
        form = replace(form, prompt=prompt[0])
    return replace(found, messages=form, said=f"conversations in column `{answer}`")


def _questions(head: Head, answer: str) -> list[str]:
    """Return the columns that ask: known by their names, else all that read like text."""
    known = {name for questions, _ in PAIRS for name in questions} | set(BESIDE)
    others = [name for name in head.columns if name not in (answer, *WORSE)]
    named = [name for name in others if name.strip().lower() in known]
    return named or [name for name in others if _column_of(head, name).kind == TEXT]
