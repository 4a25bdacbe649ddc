"""Find a question and its answer in the columns."""

from __future__ import annotations

from phi3scaffold.datasets.detection.guess import Guess, Head, first_named, quoted, system_of
from phi3scaffold.datasets.turns import list_in_text

# (questions, answers), best first; an instruction may have an input beside it.
PAIRS = (
    (("question",), ("best answer", "best_answer", "answer", "answers", "response")),
    (("instruction",), ("output", "response", "completion", "answer")),
    (("prompt",), ("completion", "response", "output", "answer")),
    (("input", "query", "user"), ("output", "response", "answer", "target", "assistant")),
)
BESIDE = ("input", "context")


def question_answer(head: Head) -> Guess | None:
    for questions, answers in PAIRS:
        question = first_named(head.columns, questions)
        answer = first_named([name for name in head.columns if name != question], answers)
        if question and answer:
            break
    else:
        return None
    used = [question]
    beside = first_named([name for name in head.columns if name != answer], BESIDE)
    if question.strip().lower() in ("instruction", "question") and beside:
        used.append(beside)
    said = f"{quoted(used)} as the question, `{answer}` as the answer"
    empty = [
        name
        for name in used
        if not all(str(row.values.get(name) or "").strip() for row in head.rows)
    ]
    if len(used) > 1 and empty:
        said += f" (where {quoted(empty)} is empty, its line is left out)"
    user = "\n".join(f"{{{name}}}" for name in used)
    system, history = system_of(head), _history(head)
    if system:
        said += f", `{system[1:-1]}` as the system turn"
    if history:
        said += f", `{history}` as earlier turns, whose answers are learned, too"
    columns = tuple(used)
    return Guess("qa", said, columns, user, f"{{{answer}}}", system=system, history=history)


def _history(head: Head) -> str | None:
    """Return the column of earlier pairs of question and answer, if there is one."""
    column = first_named(head.columns, ("history",))
    if column is None:
        return None
    value = next(filter(None, (row.values.get(column) for row in head.rows)), None)
    pairs = list_in_text(value) if isinstance(value, str) else value
    is_pairs = isinstance(pairs, list) and all(isinstance(pair, list) for pair in pairs)
    return column if pairs and is_pairs else None
