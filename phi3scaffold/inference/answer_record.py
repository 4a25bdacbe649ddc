"""What `infer --json` says of one prompt: the answer, or why there is none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from phi3scaffold.inference.calibration import LabelProbability
from phi3scaffold.inference.forms.form import Form
from phi3scaffold.models.column_templates import Message
from phi3scaffold.project.errors import ScaffoldError

DIGITS = 4  # of a probability


@dataclass(frozen=True)
class AnswerRecord:
    """One JSON object; what is None is left out.

    Attributes:
        number: of several prompts, from 1.
        where: ``file:line`` of the prompt, or which of the arguments it is.
        id: what the row's column `id` holds.
        adapter: the adapter in use, of several.
        model: the name of the base model.
        messages: the conversation that was answered, its system turn included.
        probability: of labels the calibrated probability that the answer is right; None where it
            is no label, and where the form has no calibration.
        runner_up, runner_up_probability: the likeliest of the other labels.
        abstained: whether the answer was left out, since its probability is too low; then
        suggestion: is what it was.
        finish: ``stop``, ``length``, or ``stopped`` where the user stopped it.
        seconds: of a single answer.
        expected: the answer that the row has, if any.
        error: ``what`` and, where there is one, ``fix``: why there is no answer.
    """

    number: int | None = None
    where: str | None = None
    id: Any = None
    form: str | None = None
    adapter: str | None = None
    model: str | None = None
    demonstration: bool | None = None
    messages: list[Message] | None = None
    answer: str | None = None
    probability: float | None = None
    runner_up: str | None = None
    runner_up_probability: float | None = None
    abstained: bool | None = None
    suggestion: str | None = None
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    finish: str | None = None
    seconds: float | None = None
    expected: str | None = None
    error: dict[str, str] | None = None

    def answered(
        self,
        form: Form,
        messages: Sequence[Message],
        answer: str,
        prompt_tokens: int,
        answer_tokens: int,
        finish: str,
    ) -> AnswerRecord:
        """Return the record with an answer."""
        return replace(
            self,
            form=form.name,
            adapter=form.adapter,
            model=form.prompt.model,
            demonstration=form.prompt.demonstration,
            messages=list(messages),
            answer=answer,
            prompt_tokens=prompt_tokens,
            answer_tokens=answer_tokens,
            finish=finish,
        )

    def ranked(
        self, labels: Sequence[LabelProbability], least: float | None = None
    ) -> AnswerRecord:
        """Return the record with the probability of its answer.

        Args:
            labels: the likeliest first.
            least: probability below which the answer is left out; None: none is.
        """
        answer = (self.answer or "").strip()
        own = next((one for one in labels if one.label == answer), None)
        other = next((one for one in labels if one.label != answer), None)
        known = replace(
            self,
            probability=round(own.probability, DIGITS) if own else None,
            runner_up=other.label if other else None,
            runner_up_probability=round(other.probability, DIGITS) if other else None,
        )
        if least is None or (own is not None and own.probability >= least):
            return known
        return replace(known, answer=None, abstained=True, suggestion=self.answer)

    def failed(self, error: ScaffoldError) -> AnswerRecord:
        """Return the record of a prompt that cannot be answered."""
        fix = {"fix": error.fix} if error.fix else {}
        return replace(self, expected=None, error={"what": error.what, **fix})

    def as_json(self) -> str:
        """Return one line of JSON, which can be written as UTF-8 whatever the row's id holds."""
        values = {name: value for name, value in vars(self).items() if value is not None}
        text = json.dumps(values, ensure_ascii=False, default=str)
        try:
            text.encode()
        except UnicodeEncodeError:
            text = json.dumps(values, default=str)
        return text

    def as_text(self) -> str:
        """Return the answer on one line, its line breaks as spaces; empty where there is none."""
        return " ".join((self.answer or "").splitlines())
