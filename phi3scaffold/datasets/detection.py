"""Look at the user's rows and guess what they are: which columns ask and which answer.

The first rows decide; what they decide is tried on them by the code that will read them all. The
guess is said, and written to datasets/dataset.yaml, where the user changes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from phi3scaffold.datasets.conversations import Conversation, DroppedRow, conversation
from phi3scaffold.datasets.reader import Reading, Row
from phi3scaffold.datasets.spec import ROLES, DatasetSpec, Messages
from phi3scaffold.models.column_templates import columns_of
from phi3scaffold.project.errors import ScaffoldError

LOOKED_AT = 1000  # rows
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
BESIDE = ("input", "context")
CONVERSATIONS = ("messages", "conversations", "conversation", "turns", "dialog", "dialogue")
# Keys of a turn: who speaks, and what is said.
TURN_KEYS = (("role", "content"), ("from", "value"), ("speaker", "text"), ("role", "text"))
# Who speaks, in the words of ShareGPT and its like.
SPEAKERS = {
    **dict.fromkeys(("human", "user", "prompter"), "user"),
    **dict.fromkeys(
        ("gpt", "assistant", "chatgpt", "bing", "bard", "bot", "model", "ai"), "assistant"
    ),
    "system": "system",
}
SHAREGPT = ("human", "gpt")
Source = Path | str


@dataclass(frozen=True)
class Guess:
    """What the rows are; becomes the answer `rows` and so datasets/dataset.yaml.

    Attributes:
        task: classify, qa or chat.
        columns: the columns that the user turn uses; empty for whole conversations.
        user, assistant: turns such as ``{phrase}``; empty for whole conversations.
        messages: where whole conversations stand, or None.
        labels: the label values, sorted; empty unless classify.
        said: what was taken for what, for the person who runs `new`.
    """

    task: str
    said: str
    columns: tuple[str, ...] = ()
    user: str = ""
    assistant: str = ""
    messages: Messages | None = None
    labels: tuple[str, ...] = ()

    def spec(self) -> DatasetSpec:
        """Return the guess as dataset.yaml will say it, to try it on rows."""
        return DatasetSpec(
            Path("dataset.yaml"), self.task, (), 0.5, self.user, self.assistant, self.messages
        )

    def answer(self, train: Sequence[str], held_out: Sequence[str] | float) -> dict[str, Any]:
        """Return the value of copier's answer `rows`."""
        messages: str | dict[str, Any] | None = None
        if self.messages:
            form = self.messages
            plain = form == Messages(form.column)
            messages = form.column if plain else {**vars(form), "names": dict(form.names)}
        return {
            "train": list(train),
            "held_out": held_out if isinstance(held_out, float) else list(held_out),
            "user": self.user or None,
            "assistant": self.assistant or None,
            "messages": messages,
            "labels": list(self.labels),
            "columns": list(self.columns),
        }


class Head:
    """The first rows.

    Attributes:
        rows: at least one.
        columns: every column that one of them has.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.columns = list(dict.fromkeys(str(name) for row in rows for name in row.values))

    def value(self, column: str) -> Any:
        """Return the first value that is not null."""
        values = (row.values.get(column) for row in self.rows)
        return next((value for value in values if value is not None), None)

    def letters(self, column: str) -> int:
        return sum(len(str(row.values.get(column, ""))) for row in self.rows)

    @property
    def place(self) -> str:
        return self.rows[0].place


def guess(
    sources: Sequence[Source], task: str | None = None, turns: tuple[str, str] | None = None
) -> Guess:
    """Guess what the rows are, for `task` or for whichever task fits.

    The first rows decide; of a classification all are read, for its labels. Where the user's and
    the assistant's `turns` are known, only the task and the labels are left to guess.

    Raises:
        ScaffoldError: with file:line, when a file cannot be read or does not fit the task.
    """
    rows = _one_after_another(sources)
    head = Head(list(islice(rows, LOOKED_AT)))
    if turns:
        found = _known(head, task, *turns)
        task = found.task
    else:
        task = task or _task_of(head)
        guessed = FORMS[task](head)
        if guessed is None:
            raise _lacking(head, task)
        found = guessed
        _refuse_braces(found, head)
    _try(found, head.rows)
    return _with_labels(found, chain(head.rows, rows)) if task == "classify" else found


def task_of(sources: Sequence[Source]) -> str:
    """Return the task that fits the rows, by the first of them; refuse rows that fit none."""
    return _task_of(Head(list(islice(_one_after_another(sources), LOOKED_AT))))


def _task_of(head: Head) -> str:
    task = _fitting_task(head)
    if task is None:
        raise ScaffoldError(
            f"No task fits these columns: {', '.join(head.columns)}.",
            where=head.place,
            fix="name them question and answer, text and label, or messages",
        )
    return task


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


def _one_after_another(sources: Iterable[Source]) -> Iterator[Row]:
    """Yield the rows of one file after another: a hub's file is downloaded when its turn comes."""
    for source in sources:
        yield from Reading([source])


def _chat(head: Head) -> Guess | None:
    column = _first(head.columns, CONVERSATIONS)
    turns = head.value(column) if column else None
    if column is None or not isinstance(turns, list):
        return None
    keys = [key for turn in turns if isinstance(turn, dict) for key in turn]
    role, content = next(
        (pair for pair in TURN_KEYS if set(pair) <= set(keys)), ("role", "content")
    )
    spoken = {
        turn[role]
        for row in head.rows
        if isinstance(turns := row.values.get(column), list)
        for turn in turns
        if isinstance(turn, dict) and isinstance(turn.get(role), str)
    }
    names = {name: SPEAKERS[name.lower()] for name in spoken if name.lower() in SPEAKERS}
    if spoken <= set(ROLES):
        names = {}
    elif spoken & set(SHAREGPT):
        names |= {name: SPEAKERS[name] for name in SHAREGPT}
    order = ("user", "assistant", "system")
    by_speaker = sorted(names.items(), key=lambda item: (order.index(item[1]), item[0]))
    form = Messages(column, role, content, dict(by_speaker))
    said = f"conversations in column `{column}`"
    if form != Messages(column):
        said += f" (`{role}` says who speaks, `{content}` what is said)"
    return Guess("chat", said, messages=form)


def _question_answer(head: Head) -> Guess | None:
    for questions, answers in PAIRS:
        question = _first(head.columns, questions)
        answer = _first([name for name in head.columns if name != question], answers)
        if question and answer:
            break
    else:
        return None
    used = [question]
    beside = _first([name for name in head.columns if name != answer], BESIDE)
    if question.strip().lower() in ("instruction", "question") and beside:
        used.append(beside)
    said = f"{_and(used)} as the question, `{answer}` as the answer"
    empty = [
        name
        for name in used
        if not all(str(row.values.get(name) or "").strip() for row in head.rows)
    ]
    if len(used) > 1 and empty:
        said += f" (where {_and(empty)} is empty, its line is left out)"
    user = "\n".join(f"{{{name}}}" for name in used)
    return Guess("qa", said, tuple(used), user, f"{{{answer}}}")


def _classify(head: Head) -> Guess | None:
    simple = [name for name in head.columns if not isinstance(head.value(name), (list, dict))]
    label = _first(simple, LABEL_NAMES)
    text = _first([name for name in simple if name != label], TEXT_NAMES)
    if label is None:
        label = _fewest_values(head.rows, [name for name in simple if name != text])
    if text is None:
        texts = [name for name in simple if name != label and isinstance(head.value(name), str)]
        text = max(texts, key=head.letters, default=None)
    if label is None or text is None:
        return None
    user = f"{{{text}}}\n{label.replace('_', ' ').capitalize()}:"
    said = f"`{text}` as the text, `{label}` as the label"
    return Guess("classify", said, (text,), user, f"{{{label}}}")


# How each task looks for its columns; of several that find them, the first is taken.
FORMS = {"chat": _chat, "qa": _question_answer, "classify": _classify}


def _known(head: Head, task: str | None, user: str, assistant: str) -> Guess:
    """Complete known turns: a lone column of few values that answers is a label."""
    if task is None:
        column = assistant[1:-1]
        alone = columns_of(assistant) == (column,)
        task = "classify" if alone and _fewest_values(head.rows, [column]) else "qa"
    said = (
        f"{_and(columns_of(user))} in the user's turn, {_and(columns_of(assistant))} in the answer"
    )
    return Guess(task, said, columns_of(user), user, assistant)


def _with_labels(found: Guess, rows: Iterable[Row]) -> Guess:
    """Read all rows for their labels."""
    column, spec = found.assistant[1:-1], found.spec()
    labels: set[str] = set()
    row = None
    for row in rows:
        value = row.values.get(column)
        if not isinstance(value, str):
            conversation(row, spec)  # says what is wrong with it, if anything is
        elif value.strip():
            labels.add(value)
            if len(labels) > MOST_LABELS:
                raise ScaffoldError(
                    f"Column {column!r} has more than {MOST_LABELS} different values; that is no "
                    "label.",
                    where=row.place,
                    fix="name the label column `label`, or use --task qa",
                )
    assert row is not None
    if len(labels) < 2:
        raise ScaffoldError(
            f"Column {column!r} has only one label: {min(labels)!r}.",
            where=row.file,
            fix="classifying needs at least two labels",
        )
    names = sorted(labels)
    said = f"{found.said} ({', '.join(names[:6])}{', ...' if len(names) > 6 else ''})"
    return Guess("classify", said, found.columns, found.user, found.assistant, None, tuple(names))


def _try(found: Guess, rows: Sequence[Row]) -> None:
    """Make conversations of the first rows, as all will be made later."""
    spec = found.spec()
    attempts = [conversation(row, spec) for row in rows]
    if any(isinstance(one, Conversation) for one in attempts):
        return
    reasons = sorted({one.reason for one in attempts if isinstance(one, DroppedRow)})
    raise ScaffoldError(
        f"Not one of the first rows can be used: {', '.join(reasons)}.",
        where=rows[0].place,
        fix=f"the guess was {found.said}; rename the columns where that is wrong",
    )


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


def _lacking(head: Head, task: str) -> ScaffoldError:
    other = _fitting_task(head)
    return ScaffoldError(
        f"--task {task} needs {NEEDS[task]}; the columns are: {', '.join(head.columns)}.",
        where=head.place,
        fix=f"--task {other} fits these columns" if other else "rename the columns",
    )


def _first(columns: Iterable[str], names: Sequence[str]) -> str | None:
    """Return the column whose name, in lower case, stands earliest in `names`."""
    lower = {column.strip().lower(): column for column in columns}
    return next((lower[name] for name in names if name in lower), None)


def _and(names: Iterable[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)


def _fewest_values(rows: Sequence[Row], columns: Iterable[str]) -> str | None:
    """Return the column that looks most like a label: the fewest different values, at most half."""
    counts = {name: len({str(row.values.get(name)) for row in rows}) for name in columns}
    fitting = [name for name in counts if counts[name] <= min(MOST_LABELS, len(rows) / 2)]
    return min(fitting, key=counts.__getitem__, default=None)
