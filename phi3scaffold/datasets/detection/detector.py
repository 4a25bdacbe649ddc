"""Look at the user's rows and guess what they are: which columns ask and which answer.

The first rows decide; what they decide is tried on them by the code that will read them all. The
guess is said, and written to datasets/dataset.yaml, where the user changes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import NoReturn

from phi3scaffold.datasets.conversations import (
    Conversation,
    DroppedRow,
    conversation,
    repeats_header,
)
from phi3scaffold.datasets.detection.annotation_kinds import labels_in_cells
from phi3scaffold.datasets.detection.chat import chat
from phi3scaffold.datasets.detection.classification import (
    choose,
    classification,
    classify,
    fewest_values,
)
from phi3scaffold.datasets.detection.column_kinds import NUMBER, RowColumn
from phi3scaffold.datasets.detection.guess import Guess, Head, ToolRows, quoted
from phi3scaffold.datasets.detection.label_column import with_labels
from phi3scaffold.datasets.detection.named_columns import NamedColumns, named_columns
from phi3scaffold.datasets.detection.other_kinds import refuse_other_kinds
from phi3scaffold.datasets.detection.question_answer import question_answer
from phi3scaffold.datasets.reader import Reading, Row
from phi3scaffold.datasets.readings import count_notes, readings_text
from phi3scaffold.datasets.unused import unused_parts, unused_text
from phi3scaffold.models.column_templates import columns_of
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.formatting import count

LOOKED_AT = 1000  # rows
# Answers that are rather labels: so few, so often, so short on average.
FEW_ANSWERS, ROWS_EACH, SHORT = 20, 5, 100
Source = Path | str


def guess(
    sources: Sequence[Source],
    task: str | None = None,
    turns: tuple[str, str] | NamedColumns | None = None,
) -> Guess:
    """Guess what the rows are, for `task` or for whichever task fits.

    The first rows decide; of a classification all are read, for its labels. Where the user's and
    the assistant's `turns`, or their columns, are known, only the rest is left to guess.

    Raises:
        ScaffoldError: with file:line, when a file cannot be read or does not fit the task.
    """
    rows = _one_after_another(sources)
    looked_at = list(islice(rows, LOOKED_AT))
    head = Head([row for row in looked_at if not repeats_header(row)] or looked_at)
    if turns and not isinstance(turns, NamedColumns):
        found = _known(head, task, *turns)
    else:
        found = _guessed(head, task, turns)
        _refuse_braces(found, head)
        if found.task == "classify" and not (turns and turns.answer):
            _refuse_several_labels(found, head)
    task = found.task
    found = _with_readings(found, looked_at)
    found = _with_unused(found, head)
    return with_labels(found, chain(looked_at, rows)) if task == "classify" else found


def _guessed(head: Head, task: str | None, names: NamedColumns | None) -> Guess:
    if names and any(names):
        found = named_columns(head, task, names)
        return found or _refuse_columns(head, task)
    refuse_other_kinds(head, task)
    few = few_answers(head) if task in (None, "classify") else None
    if few and (task is None or classify(head) is None):
        return few
    task = task or _fitting_task(head)
    return (FORMS[task](head) if task else None) or _refuse_columns(head, task)


def few_answers(head: Head) -> Guess | None:
    """Return questions with a few short answers that come again and again as a classification."""
    found = None if chat(head) else question_answer(head)
    if found is None:
        return None
    name = found.assistant[1:-1]
    answer = RowColumn(name, head.values(name))
    number, rows = len(answer.counts), len(answer.texts)
    if not 2 <= number <= FEW_ANSWERS or rows < ROWS_EACH * number:
        return None
    if sum(map(len, answer.counts)) > SHORT * number:
        return None
    choice = choose(head, name, found.columns)
    if choice is None:
        return None
    note = (
        f"{number} different answers in {count(rows, 'row')}: a classification; "
        "--task qa learns them as free text"
    )
    as_labels = classification(choice)
    return replace(as_labels, notes=(*as_labels.notes, note), other_task="qa")


def _fitting_task(head: Head) -> str | None:
    """Return the task whose columns the rows have."""
    return next((task for task, form in FORMS.items() if form(head)), None)


def is_labelled(sources: Sequence[Source], found: Guess) -> bool:
    """Return whether held-out rows have answers: those of a contest often have none."""
    try:
        rows = islice(_one_after_another(sources), LOOKED_AT)
        return any(isinstance(conversation(row, found.spec()), Conversation) for row in rows)
    except ScaffoldError:
        return False


def _with_unused(found: Guess, head: Head) -> Guess:
    """Name the columns and keys that the guess does not use, with what they hold."""
    parts = unused_parts(head.rows, found.spec())
    kinds = {name: RowColumn(name, head.values(name)).kind for name in parts.columns}
    text = unused_text(parts, kinds | dict(found.reasons), len(head.rows) == LOOKED_AT)
    return replace(found, notes=(text, *found.notes)) if text else found


def with_held_out(found: Guess, sources: Sequence[Source]) -> Guess:
    """Return the guess with the labels of held-out rows, too: they are read by the same table."""
    if not found.labels or not sources:
        return found
    return with_labels(found, _one_after_another(sources))


def _one_after_another(sources: Iterable[Source]) -> Iterator[Row]:
    """Yield the rows of one file after another: a hub's file is downloaded when its turn comes."""
    for source in sources:
        yield from Reading([source])


# How each task looks for its columns; of several that find them, the first is taken.
FORMS = {"chat": chat, "qa": question_answer, "classify": classify}


def _known(head: Head, task: str | None, user: str, assistant: str) -> Guess:
    """Complete known turns: a lone column of few values that answers is a label."""
    if task is None:
        column = assistant[1:-1]
        alone = columns_of(assistant) == (column,)
        task = "classify" if alone and fewest_values(head.rows, [column]) else "qa"
    asks, answers = quoted(columns_of(user)), quoted(columns_of(assistant))
    said = f"{asks} in the user's turn, {answers} in the answer"
    return Guess(task, said, columns_of(user), user, assistant)


def _with_readings(found: Guess, rows: Sequence[Row]) -> Guess:
    """Make conversations of the first rows, as all will be made later; say what becomes of them.

    Raises:
        ScaffoldError: a row is wrong, or not one can be used.
    """
    spec = found.spec()
    attempts = [conversation(row, spec) for row in rows]
    usable = [one for one in attempts if isinstance(one, Conversation)]
    reasons = Counter(one.reason for one in attempts if isinstance(one, DroppedRow))
    if not usable:
        raise ScaffoldError(
            f"None of the first rows can be used: {', '.join(sorted(reasons))}.",
            where=rows[0].place,
            fix=f"the guess was {found.said}; if that is wrong, name the columns: "
            "--prompt COLUMN --answer COLUMN",
        )
    notes = [readings_text({note: times for note, (_, times) in count_notes(usable).items()})]
    if reasons and found.task != "classify":  # whose labels are looked at by themselves
        notes += [f"{count(number, 'row')} left out: {why}" for why, number in reasons.items()]
    more = f"of the first {count(len(rows), 'row')}: " if len(rows) == LOOKED_AT else ""
    said = [f"{more}{note}" for note in notes if note]
    with_tools = [one.place for one in usable if one.has_tools]
    tools = ToolRows(len(with_tools), len(rows), with_tools[0]) if with_tools else None
    return replace(found, notes=(*found.notes, *said), tool_rows=tools)


def _refuse_several_labels(found: Guess, head: Head) -> None:
    column = found.assistant[1:-1]
    several = labels_in_cells(column, RowColumn(column, head.values(column)).texts)
    if several:
        raise ScaffoldError(several.what, where=head.place, fix=several.fix)


def _refuse_braces(found: Guess, head: Head) -> None:
    for column in (*found.columns, found.assistant[1:-1]):
        if any(mark in column for mark in "{}\n"):
            raise ScaffoldError(
                f"Column {column!r}: braces and line breaks are not allowed in a column's name.",
                where=head.place,
                fix="rename the column",
            )


NEEDS = {
    "chat": "a column `messages` with a list of turns",
    "qa": "a question and an answer (Question / Best Answer, instruction / output, "
    "prompt / completion or input / output)",
    "classify": "a text and a label",
}


def _refuse_columns(head: Head, task: str | None) -> NoReturn:
    """Say which columns a task needs, and how to name them."""
    columns = ", ".join(head.columns)
    if task is None:
        what, other = f"No task fits these columns: {columns}.", None
    else:
        what, other = f"--task {task} needs {NEEDS[task]}; the columns are: {columns}.", None
        other = _fitting_task(head)
    fix = "name the columns: --prompt COLUMN --answer COLUMN"
    columns_of_rows = [RowColumn(name, head.values(name)) for name in head.columns]
    nested = [one.name for one in columns_of_rows if isinstance(head.value(one.name), dict)]
    numbers = [one.name for one in columns_of_rows if one.kind == NUMBER]
    if nested:
        keys = ", ".join(list(map(str, head.value(nested[0])))[:6])
        fix = (
            f"write the parts of `{nested[0]}` ({keys}) into columns of their own; then {fix}, "
            "if their names do not show which is which"
        )
    elif numbers:
        fix += f"; to learn the number in `{numbers[0]}`, turn it into a few labels"
    if task == "chat":
        fix = "name the column that holds conversations: --answer COLUMN"
    if other and other != task:
        fix = f"--task {other} fits these columns"
    raise ScaffoldError(what, where=head.place, fix=fix)
