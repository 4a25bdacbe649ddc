"""The answers that a project is updated with: its own, with what is to change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phi3scaffold.generator import template
from phi3scaffold.generator.new import resolve_model
from phi3scaffold.generator.render import follow
from phi3scaffold.project.errors import ScaffoldError


def check_changeable(choices: dict[str, str]) -> None:
    """Refuse, as `new` does, what is no question or no choice; and what an update cannot change."""
    template.check_choices(choices)
    if "data" in choices:
        raise ScaffoldError(
            "An update never touches rows.",
            where="--set data",
            fix="put files into datasets/, and name them in datasets/dataset.yaml",
        )


def changed_answers(answers: dict[str, Any], choices: Mapping[str, Any]) -> dict[str, Any]:
    """Change `answers` by `choices`; recompute what only followed from a changed answer.

    A recipe has a quantizer, say: a project that never chose another gets the new recipe's.

    Raises:
        ScaffoldError: an answer does not go with another, or the template has it no longer.
    """
    known = template.questions()
    for name, value in answers.items():
        question = known.get(name)
        if name not in choices and question and question.choices and value not in question.choices:
            choice = ", ".join(question.choices)
            raise ScaffoldError(
                f"The project's answer {value!r} to `{name}` is no longer available.",
                where=question.flag,
                fix=f"phi3scaffold update --set {name}=VALUE, one of: {choice}",
            )
    if "model" in choices:
        model = resolve_model(choices["model"])
        choices = {**choices, "model": model.ref, "parameters": model.parameters}
    if not choices:
        return answers
    dependent = [name for name, question in known.items() if question.depends]
    before = {name: value for name, value in answers.items() if name not in dependent}
    after = {**before, **choices}
    for name in dependent:
        default = follow(before)[0].get(name)
        if name in answers and answers[name] in known[name].choices:
            before[name] = answers[name]
        _, hidden = follow(after)
        chosen = name in answers and answers[name] != default
        if chosen and name not in choices and name not in hidden:
            after[name] = answers[name]
    follow(after)
    return after
