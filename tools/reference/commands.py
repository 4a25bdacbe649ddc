"""The pages of the commands and of the options of `new`, from their own parsers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import new
from phi3scaffold.cli.parser import Verb, build
from phi3scaffold.generator import template
from reference.markdown import plain, table


def commands() -> str:
    """Return the page of every command, by task: its options, examples and notes."""
    parts = ["# Commands\n", "`phi3scaffold COMMAND --help` prints the same.\n"]
    for task in dict.fromkeys(verb.task for verb in VERBS.values()):
        parts.append(f"## {task}\n")
        for name, verb in VERBS.items():
            if verb.task == task:
                parts += _command(name, verb)
    return "\n".join(parts)


def _command(name: str, verb: Verb) -> Iterator[str]:
    """Yield the section of a command, and of those below it."""
    parser: argparse.ArgumentParser = build(VERBS, name.split())
    for word in name.split():
        parser = _below(parser)[word]
    yield f"### {name}\n"
    yield f"{parser.description}\n"
    yield from _options(parser)
    if parser.epilog:
        yield f"```text\n{parser.epilog.strip()}\n```\n"
    for word, below in verb.verbs.items():
        if not below.hidden:
            yield from _command(f"{name} {word}", below)


def _below(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of a parser's commands."""
    [action] = (one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    return dict(action.choices)


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield a table for each group of arguments."""
    for group in parser._action_groups:
        actions = [
            action
            for action in group._group_actions
            if action.help != argparse.SUPPRESS
            and not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
        ]
        if not actions:
            continue
        if group.title not in ("positional arguments", "options"):
            yield f"{str(group.title).rstrip(':').capitalize()}:\n"
        formatter = parser._get_formatter()
        rows = ((f"`{_written(one)}`", plain(formatter._expand_help(one))) for one in actions)
        yield table(("Option", "Meaning"), rows)


def _written(action: argparse.Action) -> str:
    """Return an argument as it is typed: ``--forms FORM [FORM ...]``."""
    names = ", ".join(action.option_strings)
    if action.nargs == 0:
        return names
    choices = "|".join(map(str, action.choices)) if action.choices else action.dest.upper()
    value = action.metavar if isinstance(action.metavar, str) else choices
    shape = {"?": "[{0}]", "*": "[{0} ...]", "+": "{0} [{0} ...]"}.get(str(action.nargs), "{0}")
    return f"{names} {shape.format(value)}".strip()


def options_of_new() -> str:
    """Return the page of the options of `new`: each value with its meaning, each default."""
    rows = []
    for question in template.questions().values():
        text = question.help.replace(f" ({question.flag})", "")
        labels = [
            label
            for label, value in template.config()[question.name].get("choices", {}).items()
            if not isinstance(value, dict)
        ]
        if labels:
            parts = (label.partition(": ") for label in labels)
            text += "".join(f"<br>`{value}`: {rest}" for value, _, rest in parts)
        for value, reason in question.refused.items():
            text += f"<br>`{value}`: refused. {' '.join(reason.split())}"
        flag = f"{question.flag} ROWS" if question.name == "data" else question.flag
        default = "by the other answers" if question.default is None else f"`{question.default}`"
        rows.append((f"`{flag}`", text, default if question.default != "" else "samples"))
    parser = argparse.ArgumentParser(add_help=False)
    new.add_arguments(parser)
    asked = {question.flag for question in template.questions().values()}
    rows += [
        (f"`{action.option_strings[0]}`", str(action.help), "")
        for action in parser._actions
        if action.option_strings and action.option_strings[0] not in asked
    ]
    return (
        "# Options of `new`\n\n"
        + table(("Option", "Meaning", "Default"), rows)
        + "\nWithout a terminal to ask at, a missing answer is an error that names its option.\n"
        "Combinations that cannot work are refused, such as fp16 on a CPU or int8 on DirectML.\n"
    )
