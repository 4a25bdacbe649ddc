"""The questions of `new` at a terminal: the rows, what is trained from what, the model, where.

What an option or the rows already say is not asked. A refused answer is asked again, and the
answers before it stay.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3scaffold.project.errors import ScaffoldError

if TYPE_CHECKING:
    from phi3scaffold.datasets.normalization import ReadingOptions
    from phi3scaffold.generator.row_source import RowSource
    from phi3scaffold.search.model_choice import ModelChoice

Answers = dict[str, Any]
ABOUT_ROWS = ("data", "task", "prompt", "answer")
DETAILS = ("algo", "precision", "recipe", "quantizer")  # behind "change anything else?"
OTHER = "another"
COLUMNS = "columns"


def interview(given: Answers, reading: ReadingOptions) -> tuple[Answers, RowSource | None]:
    """Ask what `given` does not say; return all answers, and the rows they name.

    Raises:
        ScaffoldError: an answer that an option gave is refused.
        KeyboardInterrupt: the person gave up.
    """
    answers, source = _rows(dict(given), reading)
    if source is not None:
        answers, source = _turns(answers, source, reading, given)
        answers, source = _labels(answers, source, reading)
    if "model" not in answers:
        answers["model"] = ask_model(answers, source)
    if "target" not in answers:
        answers["target"] = _select("Where should it run?", _choices("target"), _usual_target())
    if not any(name in given for name in DETAILS) and _confirm(
        "Change anything else (algorithm, precision, quantization)?"
    ):
        answers = _details(answers)
    return answers, source


def ask_model(answers: Answers, source: RowSource | None) -> str:
    """Ask for the base model, until one is named that can be trained."""
    titles, usual = _model_titles(answers, source), _usual_model(answers, source)
    chosen = _select("Which model?", titles, usual, filtered=True)
    while chosen == OTHER or not _can_train(chosen, answers):
        chosen = _text("Name, hub id or folder of the model:").strip()
    return chosen


def _rows(answers: Answers, reading: ReadingOptions) -> tuple[Answers, RowSource | None]:
    """Ask for the rows, and show them; without any, ask which of the sample rows to take."""
    from phi3scaffold.cli.ui.row_preview import preview
    from phi3scaffold.generator.row_source import chosen_rows

    is_given = "data" in answers
    if not is_given:
        print("Your rows: a file, a folder, or owner/name of a dataset on the hub.")
        print("Leave it empty to begin with sample rows.")
    while True:
        if not is_given:
            answers["data"] = _path("Rows:")
        try:
            source = chosen_rows(answers, reading)
        except ScaffoldError as error:
            if is_given:
                raise
            print_error(error)
            continue
        break
    if source is None:
        if "task" not in answers:
            answers["task"] = _select("Which sample rows?", _choices("task"))
        return answers, None
    for line in preview(answers["data"], source):
        print(line)
    say_found(source)
    return answers, source


def _turns(
    answers: Answers, source: RowSource, reading: ReadingOptions, given: Answers
) -> tuple[Answers, RowSource]:
    """Ask what is trained from what, where that was not said; return the rows read this way."""
    from phi3scaffold.cli.ui.row_preview import column_names
    from phi3scaffold.generator.row_source import chosen_rows

    is_decided = any(name in given for name in ("task", "prompt", "answer"))
    is_clear = "data" in given and not source.other_task
    if is_decided or is_clear:
        return answers, source
    names = column_names(source)
    titles = {f"yes: {source.task}": source.task}
    if source.other_task:
        titles[f"no: {source.other_task}"] = source.other_task
    if len(names) > 1:
        titles["no: choose the columns"] = COLUMNS
    while len(titles) > 1:
        chosen = _select("Is this what the model should learn?", titles)
        changed = dict(answers)
        if chosen == COLUMNS:
            changed["answer"] = _select(
                "Which column has the answers?", dict(zip(names, names, strict=True))
            )
            others = [name for name in names if name != changed["answer"]]
            changed["prompt"] = ",".join(_several("Which columns does the model read?", others))
        elif chosen == source.task:
            return answers, source
        else:
            changed["task"] = chosen
        try:
            source = chosen_rows(changed, reading) or source
            say_found(source)
            return changed, source
        except ScaffoldError as error:
            print_error(error)
    return answers, source


def _labels(
    answers: Answers, source: RowSource, reading: ReadingOptions
) -> tuple[Answers, RowSource]:
    """Ask how labels are read that a person has to decide about."""
    from phi3scaffold.generator.row_source import chosen_rows
    from phi3scaffold.generator.template import questions

    asked = {name: words for name, words in source.label_questions.items() if words}
    asked = {name: words for name, words in asked.items() if name not in answers}
    while asked:
        chosen = {
            name: _select(f"{_title(questions()[name].help)}: {words}", _choices(name))
            for name, words in asked.items()
        }
        try:
            return answers | chosen, chosen_rows(answers | chosen, reading) or source
        except ScaffoldError as error:
            print_error(error)
    return answers, source


def _details(answers: Answers) -> Answers:
    """Ask what has a default; each refused answer is asked again."""
    from phi3scaffold.generator.render import follow
    from phi3scaffold.generator.template import questions

    def known(values: Answers) -> Answers:
        return {name: value for name, value in values.items() if name not in ABOUT_ROWS}

    for name in DETAILS:
        values, hidden = follow(known(answers))
        while name not in hidden:
            chosen = _select(_title(questions()[name].help), _choices(name), values[name])
            try:
                follow(known(answers) | {name: chosen})
            except ScaffoldError as error:
                print_error(error)
                continue
            answers[name] = chosen
            break
    return answers


def _model_titles(answers: Answers, source: RowSource | None) -> dict[str, str]:
    """Return a line for each model that fits this machine -> its name."""
    from phi3scaffold.cli.ui.terminal import columns

    found = _fitting(answers, source)
    head = ("model", "weights", "download", "memory", "training here")
    first, *lines = columns([head, *map(_cells, found)])
    print(f"\n  {first}")
    titles = {line: one.entry.name for line, one in zip(lines, found, strict=True)}
    other = "another: a hub id, a folder, or a name from `phi3scaffold models`"
    return {**titles, other: OTHER}


def _cells(one: ModelChoice) -> tuple[str, ...]:
    from phi3scaffold.project.formatting import (
        binary_size,
        decimal_size,
        parameter_count,
        rough_duration,
    )

    return (
        one.entry.name,
        parameter_count(one.entry.parameters or 0),
        decimal_size(one.entry.download or 0),
        binary_size(one.memory),
        f"about {rough_duration(one.seconds)}" if one.seconds else "?",
    )


def _fitting(answers: Answers, source: RowSource | None) -> list[ModelChoice]:
    """Return the models that fit this machine and can be had without asking, for these rows."""
    from phi3scaffold.generator.row_count import training_rows
    from phi3scaffold.generator.row_source import sample_rows
    from phi3scaffold.pipeline.machine import memory
    from phi3scaffold.search.model_choice import model_choices, training_length

    rows, algo = source or sample_rows(answers["task"]), answers.get("algo", "lora")
    length = training_length(rows.files.values(), training_rows(rows), algo)
    choices = model_choices(length, memory()[0], algo)
    return [one for one in choices if not one.entry.gated]


def _usual_model(answers: Answers, source: RowSource | None) -> str | None:
    """Return the default model's name where it fits, else that of the largest that does."""
    from phi3scaffold.models.catalogue import DEFAULT

    names = {one.entry.hub_id: one.entry.name for one in _fitting(answers, source)}
    return names.get(DEFAULT) or next(reversed(names.values()), OTHER)


def _can_train(model: str, answers: Answers) -> bool:
    """Return whether a named model can be trained; say why not."""
    from phi3scaffold.generator.new import known_model, resolve_model
    from phi3scaffold.generator.template import cloud_targets

    target = answers.get("target", cloud_targets()[0])  # which takes every kind of address
    try:
        resolve_model(known_model(model, target)[0], lambda line: None)
    except ScaffoldError as error:
        print_error(error)
        return False
    return True


def _usual_target() -> str:
    from phi3scaffold.pipeline.machine import gpus

    return "cuda" if gpus() else "cpu"


def _choices(name: str) -> dict[str, str]:
    """Return the choices of a question of copier.yml, title -> value, without refused ones."""
    from phi3scaffold.generator import template

    choices: Mapping[str, Any] = template.config()[name]["choices"]
    return {title: value for title, value in choices.items() if isinstance(value, str)}


def _title(text: str) -> str:
    """Return a question's help without the option that stands behind it."""
    return text.rpartition(" (--")[0].rstrip(": ") or text


def _select(
    message: str, titles: Mapping[str, str], default: str | None = None, *, filtered: bool = False
) -> str:
    """Let one of the titles be chosen; return its value. `filtered`: typed letters filter them."""
    import questionary

    found: str = questionary.select(
        message,
        [questionary.Choice(title, value) for title, value in titles.items()],
        default=default,
        qmark="?",
        instruction=" ",
        use_search_filter=filtered,
        use_jk_keys=not filtered,
    ).unsafe_ask()
    return found


def _several(message: str, names: Sequence[str]) -> list[str]:
    import questionary

    found: list[str] = questionary.checkbox(
        message,
        list(names),
        qmark="?",
        instruction="(space marks, Enter ends)",
        validate=lambda chosen: bool(chosen) or "Mark at least one.",
    ).unsafe_ask()
    return found


def _confirm(message: str) -> bool:
    import questionary

    return bool(questionary.confirm(message, default=False, qmark="?").unsafe_ask())


def _text(message: str) -> str:
    import questionary

    return str(questionary.text(message, qmark="?").unsafe_ask())


def _path(message: str) -> str:
    """Ask for a path, with completion; one that was dropped here in quotes is taken, too."""
    import questionary

    typed = str(questionary.path(message, qmark="?").unsafe_ask()).strip()
    if typed[:1] in ("'", '"') and typed[-1:] == typed[:1]:
        typed = typed[1:-1]
    if "\\ " in typed and not Path(typed).expanduser().exists():  # as a Mac's terminal pastes it
        typed = typed.replace("\\ ", " ")
    return typed


def say(line: str) -> None:
    """Print a sentence; in a terminal, folded with its other lines indented."""
    if sys.stdout.isatty():
        width = max(40, shutil.get_terminal_size().columns)
        line = textwrap.fill(line, width, subsequent_indent="  ", break_on_hyphens=False)
    print(line)


def say_found(source: RowSource) -> None:
    """Print what was found in the rows."""
    for line in source.lines():
        say(line)


def print_error(error: ScaffoldError) -> None:
    print(f"error: {error}", file=sys.stderr)
