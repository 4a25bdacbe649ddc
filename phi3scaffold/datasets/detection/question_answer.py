"""Find a question and its answer in the columns."""

from __future__ import annotations

from phi3scaffold.datasets.detection.guess import Guess, Head, first_named, quoted

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
    return Guess("qa", said, tuple(used), user, f"{{{answer}}}")
