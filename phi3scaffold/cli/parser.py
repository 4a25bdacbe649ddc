"""The parser of the command line, built from the table of verbs, and the help of all of them.

Only the module of the typed verb is imported, so that `--help` and TAB answer at once. A verb's
module has `add_arguments(parser)` and `run(args) -> int | None`.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

from phi3scaffold import __version__
from phi3scaffold.cli.ui.terminal import has_colour
from phi3scaffold.project.errors import ScaffoldError

USAGE = "phi3scaffold VERB [options]   (phi3scaffold VERB --help)"
DESCRIPTION = "Fine-tune a small language model on your own data, and run it as int4 ONNX."
EXAMPLE = "example: phi3scaffold new my-proj --algo qlora --target cpu --model tiny"
WIDTH = 79  # columns of the overview
TASK, NAME = 19, 10  # columns of a group's title, and of a verb's name
# Options that mean the same for every verb that takes them; `--debug` belongs to all.
SHARED = "common options"
HELP = ("-h", "--help")


class Verb(NamedTuple):
    """A row of the table of verbs.

    Args:
        help: one sentence, printed as it stands.
        module: where the verb lives; empty for a verb that only has verbs below it.
        examples: what may follow the verb, for a module without an epilog of its own.
        task: the group of the overview that the verb belongs to.
        first: whether a newcomer needs it on the first day.
        options: the shared options it takes: project, json.
        verbs: verbs below this one, as `job submit`.
        hidden: only programs call it; no help and no TAB shows it.
        old_name: the name that it had, and that still works.
    """

    help: str
    module: str = ""
    examples: tuple[str, ...] = ()
    task: str = ""
    first: bool = False
    options: tuple[str, ...] = ()
    verbs: Mapping[str, Verb] = {}
    hidden: bool = False
    old_name: str = ""


class Choice(NamedTuple):
    """The verb of a command line: its full name, its row, and the old name where that was typed."""

    name: str
    verb: Verb
    old_name: str = ""


def choose(verbs: Mapping[str, Verb], words: Sequence[str]) -> Choice | None:
    """Return the verb that a command line means; None where it names none."""
    known = dict(_every(verbs))
    typed = [word for word in words if not word.startswith("-")]
    if not typed:
        return None
    first = typed[0]
    behind = words[words.index(first) + 1 :]
    option_follows = bool(behind) and behind[0].startswith("-") and behind[0] not in HELP
    if first not in known or (known[first].verbs and option_follows):
        for name, verb in known.items():
            if verb.old_name == first:
                return Choice(name, verb, first)
    for name in (" ".join(typed[:2]), first):
        if name in known:
            return Choice(name, known[name])
    return None


def _every(verbs: Mapping[str, Verb], above: str = "") -> Iterator[tuple[str, Verb]]:
    """Yield every verb with its full name."""
    for name, verb in verbs.items():
        yield f"{above}{name}", verb
        yield from _every(verb.verbs, f"{above}{name} ")


def unknown_verb(verbs: Mapping[str, Verb], word: str) -> ScaffoldError:
    """Return the error for a verb that does not exist, with the nearest one that does."""
    near = difflib.get_close_matches(word, list(verbs), 1)
    return ScaffoldError(
        f"There is no verb {word!r:.40}.",
        fix=f"phi3scaffold {near[0]}" if near else "phi3scaffold --help lists them",
    )


class _Parser(argparse.ArgumentParser):
    """The program's own parser: its help is the overview of all verbs."""

    verbs: Mapping[str, Verb] = {}

    def format_help(self) -> str:
        return overview(self.verbs, bold=False)

    def print_help(self, file: TextIO | None = None) -> None:  # type: ignore[override]
        out = file or sys.stdout
        out.write(overview(self.verbs, bold=has_colour(out)))


def build(verbs: Mapping[str, Verb], words: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser for a command line, with the options of its verb alone."""
    parser = _Parser(prog="phi3scaffold", usage=USAGE)
    parser.verbs = verbs
    parser.add_argument("--version", action="version", version=f"phi3scaffold {__version__}")
    parser.set_defaults(verb=None, explains=parser)
    _add_verbs(parser, "", verbs, choose(verbs, words))
    return parser


def _add_verbs(
    parser: argparse.ArgumentParser, above: str, verbs: Mapping[str, Verb], choice: Choice | None
) -> None:
    below = parser.add_subparsers(
        prog=f"phi3scaffold {above}".rstrip(), metavar="VERB", title="verbs", parser_class=_Plain
    )
    old = choice.old_name if choice and not above else ""
    for name, verb in verbs.items():
        full = f"{above}{name}"
        chosen = choice is not None and choice.name == full and not choice.old_name
        if name == old or (verb.hidden and not chosen):
            continue
        child = _add_verb(below, name, full, verb, with_options=chosen)
        if verb.verbs:
            child.set_defaults(explains=child)
            _add_verbs(child, f"{full} ", verb.verbs, choice)
    if choice and old:
        _add_verb(below, old, choice.name, choice.verb, with_options=True)


def _add_verb(
    below: argparse._SubParsersAction[_Plain],
    typed: str,
    name: str,
    verb: Verb,
    *,
    with_options: bool,
) -> argparse.ArgumentParser:
    if not with_options or not verb.module:
        return below.add_parser(typed, help=verb.help, description=verb.help)
    child = below.add_parser(
        typed, help=verb.help, description=verb.help, parents=[_shared(verb.options)]
    )
    lines = [f"  phi3scaffold {name} {words}".rstrip() for words in verb.examples]
    child.epilog = "\n".join(["examples:", *lines]) if lines else None
    child.set_defaults(verb=name)
    importlib.import_module(verb.module).add_arguments(child)
    return child


class _Plain(argparse.ArgumentParser):
    """A verb's parser: its epilog stands as it was written."""

    def __init__(self, **more: object) -> None:
        more["formatter_class"] = argparse.RawDescriptionHelpFormatter
        super().__init__(**more)  # type: ignore[arg-type]


def _shared(names: Sequence[str]) -> _Plain:
    """Return a parser with the shared options of these names, and --debug."""
    parent = _Plain(add_help=False)
    group = parent.add_argument_group(SHARED)
    if "project" in names:
        group.add_argument(
            "--project",
            type=Path,
            metavar="DIR",
            help="the project's folder (default: the current folder, or the nearest one above)",
        )
    if "json" in names:
        group.add_argument("--json", action="store_true", help="print JSON, for programs")
    group.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parent


def overview(verbs: Mapping[str, Verb], *, bold: bool) -> str:
    """Return the help of the whole program: verbs by task, those of the first day explained.

    Args:
        verbs: the table.
        bold: whether the output is a terminal that shows bold type.
    """

    def strong(text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if bold else text

    lines = [f"usage: {USAGE}", "", DESCRIPTION, ""]
    shown = {name: verb for name, verb in verbs.items() if not verb.hidden}
    for task in dict.fromkeys(verb.task for verb in shown.values()):
        title = task
        for name, verb in shown.items():
            if verb.task == task and verb.first:
                lines.append(f"{title:<{TASK}}{strong(name)}{'':<{NAME - len(name)}}{verb.help}")
                title = ""
        others = [name for name, verb in shown.items() if verb.task == task and not verb.first]
        if others:
            text = textwrap.fill(", ".join(others), WIDTH - TASK - NAME).splitlines()
            lines += [
                f"{title:<{TASK}}{'' if number else 'also':<{NAME}}{line}"
                for number, line in enumerate(text)
            ]
    return "\n".join([*lines, "", EXAMPLE]) + "\n"
