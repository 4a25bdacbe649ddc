"""Find a question and its answer in the columns."""

from __future__ import annotations

from phi3scaffold.datasets.detection.column_kinds import TELLING_NAMES, TEXT, RowColumn
from phi3scaffold.datasets.detection.guess import (
    Guess,
    Head,
    first_named,
    option_columns,
    prompt_turn,
    quoted,
    system_of,
)
from phi3scaffold.datasets.detection.other_kinds import WORSE
from phi3scaffold.datasets.turns import list_in_text

# (questions, answers), best first; what is beside a question or an instruction belongs to it.
PAIRS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (
        ("question",),
        (
            "best answer", "best_answer", "answer", "answers", "response", "correct_answer",
            "answer_key", "answerkey", "correct_option", "cop", "query", "sql",
        ),
    ),
    (("questions", "q"), ("answers", "answer", "a")),
    (("instruction",), ("output", "response", "completion", "answer")),
    (("prompt",), ("completion", "response", "output", "answer", "generation")),
    (("input", "query", "user"), ("output", "response", "answer", "target", "assistant")),
)  # fmt: skip
BESIDE = ("input", "context")
BESIDE_TEXTS = ("passage", "article", "document", "paragraph", "background", "support")
# A text of this name answers the other texts, whatever labels stand beside it.
ANSWERS = ("answer", "answers", "correct_answer", "response", "reply", "completion", "resolution")
# Of two texts the one of this name is the answer; else it is the second.
SECOND = (
    *ANSWERS, "summary", "highlights", "target", "target_text", "output", "solution", "code", "sql",
    "snippet",
)  # fmt: skip


def question_answer(head: Head) -> Guess | None:
    found = _named_pair(head) or _texts(head)
    if found is None:
        return None
    used, answer = found
    said = f"{quoted(used)} as the question, `{answer}` as the answer"
    empty = [
        name
        for name in used
        if not all(str(row.values.get(name) or "").strip() for row in head.rows)
    ]
    if len(used) > 1 and empty:
        said += f" (where {quoted(empty)} is empty, its line is left out)"
    user = prompt_turn(used, _column(head, answer).counts)
    system, history = system_of(head), _history(head)
    if system:
        said += f", `{system[1:-1]}` as the system turn"
    if history:
        said += f", `{history}` as earlier turns, whose answers are learned, too"
    columns = tuple(used)
    return Guess("qa", said, columns, user, f"{{{answer}}}", system=system, history=history)


def _named_pair(head: Head) -> tuple[list[str], str] | None:
    """Return the columns that ask and the one that answers, by their names."""
    for questions, answers in PAIRS:
        question = first_named(head.columns, questions)
        answer = first_named([name for name in head.columns if name != question], answers)
        if question and answer:
            break
    else:
        return None
    if question.strip().lower() not in ("instruction", "question"):
        return [question], answer
    others = [name for name in head.columns if name not in (question, answer)]
    beside = [name for name in others if name.strip().lower() in BESIDE]
    beside += [
        name
        for name in others
        if name.strip().lower() in BESIDE_TEXTS and _column(head, name).kind == TEXT
    ]
    beside += [name for name in option_columns(others) if name not in beside]
    if question.strip().lower() == "instruction":
        return [question, *beside], answer
    return [name for name in head.columns if name in (question, *beside)], answer


def _texts(head: Head) -> tuple[list[str], str] | None:
    """Return the texts that ask and the one that answers, in a table of other names."""
    columns = [_column(head, name) for name in head.columns]
    system = system_of(head) or ""
    texts = [
        one.name
        for one in columns
        if one.kind == TEXT
        and one.name != system[1:-1]
        and one.plain_name not in WORSE
        and not TELLING_NAMES.match(one.plain_name)
    ]
    answer = first_named(texts, ANSWERS)
    if answer is None and len(texts) == 2 and not any(one.can_be_label for one in columns):
        answer = first_named(texts, SECOND) or texts[1]
    asks = [name for name in texts if name != answer]
    return (asks, answer) if answer and asks else None


def _column(head: Head, name: str) -> RowColumn:
    return RowColumn(name, head.values(name))


def _history(head: Head) -> str | None:
    """Return the column of earlier pairs of question and answer, if there is one."""
    column = first_named(head.columns, ("history",))
    if column is None:
        return None
    value = next(filter(None, (row.values.get(column) for row in head.rows)), None)
    pairs = list_in_text(value) if isinstance(value, str) else value
    is_pairs = isinstance(pairs, list) and all(isinstance(pair, list) for pair in pairs)
    return column if pairs and is_pairs else None
