"""How likely an answer was: its tokens, and the labels, read once more behind the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phi3scaffold.inference.forms.form import Form
from phi3scaffold.inference.label_scores import log_sum
from phi3scaffold.inference.request import AnswerLogprobs, Request

BEFORE = 8  # tokens that a token's text may depend on


def answer_logprobs(
    form: Form, ids: list[int], answer: Sequence[int], request: Request
) -> AnswerLogprobs:
    """Return the log-probabilities of an answer's tokens, and of the labels.

    Args:
        ids: of the prompt.
        answer: its own ids, the one that ends the turn excluded.
    """
    calibration = form.calibration if _as_evaluated(request) else None
    if calibration and len(ids) + calibration.longest > form.context:
        calibration = None
    longest = max(len(answer), calibration.longest if calibration else 1)
    (reading,) = form.read([ids], longest)
    content: list[dict[str, Any]] = []
    if answer:
        (logits,) = reading.score([(0, answer)])
        values = logits - log_sum(logits)[:, None]
        for place, token in enumerate(answer):
            before, row = answer[max(0, place - BEFORE) : place], values[place]
            entry = _entry(form, before, token, row[token])
            best = row.argsort()[::-1][: request.logprobs or 0]
            entry["top_logprobs"] = [_entry(form, before, int(one), row[one]) for one in best]
            content.append(entry)
    labels = None
    if calibration:
        labels = [one._asdict() for one in calibration.of(reading)[0]]
    return AnswerLogprobs(content, labels)


def _as_evaluated(request: Request) -> bool:
    """Return whether an answer is made as the form was calibrated."""
    has_system = bool(request.turns) and request.turns[0]["role"] == "system"
    sampling = request.sampling
    plain = request.text is None and not request.stop and not has_system
    return plain and not sampling.temperature and sampling.schema is None


def _entry(form: Form, before: Sequence[int], token: int, value: float) -> dict[str, Any]:
    """Return a token as OpenAI's interface writes it; a control token has no text."""
    text = form.decode([*before, token])[len(form.decode(before)) :]
    return {"token": text, "logprob": round(float(value), 6), "bytes": list(text.encode())}
