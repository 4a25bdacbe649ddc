"""The parser of the command line, built from the table of verbs, and the help of all of them.

Only the module of the typed verb is imported, so that `--help` and TAB answer at once. A verb's
module has `add_arguments(parser)` and `run(args) -> int | None`.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, TextIO

from phi3scaffold import __version__
from phi3scaffold.cli.ui.terminal import has_colour
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.near_names import did_you_mean

USAGE = "phi3scaffold VERB [options]   (phi3scaffold VERB --help)"
DESCRIPTION = "Fine-tune a small language model on your own data, and run it as int4 ONNX."
EXAMPLE = "example: phi3scaffold new my-proj --algo qlora --target cpu --model tiny"
WIDTH = 79  # columns of the overview
TASK, NAME = 19, 10  # columns of a group's title, and of a verb's name
HELP = ("-h", "--help")


class Verb(NamedTuple):
    """A row of the table of verbs.

    Args:
        help: one sentence, printed as it stands.
        module: where the verb lives, below `phi3scaffold.cli`; empty for a verb that only has
            verbs below it.
        task: the group of the overview that the verb belongs to.
        first: whether a newcomer needs it on the first day.
        examples: what may follow the verb, for a module without an epilog of its own.
        project: whether it takes --project.
        json: whether it takes --json.
        verbs: verbs below this one, as `job submit`.
        hidden: only programs call it; no help and no TAB shows it.
        old_name: the name that it had, and that still works.
        own_help: whether it declares --help itself.
    """

    help: str
    module: str = ""
    task: str = ""
    first: bool = False
    examples: tuple[str, ...] = ("",)
    project: bool = True
    json: bool = False
    verbs: Mapping[str, Verb] = {}
    hidden: bool = False
    old_name: str = ""
    own_help: bool = False

    def load(self) -> ModuleType:
        """Import the verb's module."""
        return importlib.import_module(f"phi3scaffold.cli.{self.module}")


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
    fix = did_you_mean(word, verbs, "phi3scaffold --help lists them")
    return ScaffoldError(f"There is no verb {word!r:.40}.", fix=fix)


class VerbParser(argparse.ArgumentParser):
    """A verb's parser: it proposes what a misspelled option or value was meant to be."""

    def _check_value(self, action: argparse.Action, value: object) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            near = did_you_mean(str(value), map(str, action.choices or ()))
            raise argparse.ArgumentError(
                action, f"{error.message}; {near}" if near else error.message
            ) from None


class _Parser(VerbParser):
    """The program's own parser: its help is the overview of all verbs."""

    verbs: Mapping[str, Verb] = {}

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        found, rest = self.parse_known_args(args, namespace)
        if rest:
            verb = found.explains
            word = rest[0].partition("=")[0]
            near = did_you_mean(word, verb._option_string_actions) if word[0] == "-" else ""
            verb.error(f"unrecognized arguments: {' '.join(rest)}{near and f'; {near}'}")
        return found

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
        prog=f"phi3scaffold {above}".rstrip(),
        metavar="VERB",
        title="verbs",
        parser_class=VerbParser,
    )
    old = choice.old_name if choice and not above else ""
    for name, verb in verbs.items():
        full = f"{above}{name}"
        chosen = choice is not None and choice.name == full and not choice.old_name
        if name == old or (verb.hidden and not chosen):
            continue
        child = below.add_parser(
            name, help=verb.help, description=verb.help, add_help=not verb.own_help
        )
        if chosen and verb.module:
            _add_options(child, full, verb)
        if verb.verbs:
            child.set_defaults(explains=child)
            _add_verbs(child, f"{full} ", verb.verbs, choice)
    if choice and old:
        child = below.add_parser(old, help=choice.verb.help, description=choice.verb.help)
        _add_options(child, choice.name, choice.verb)


def _add_options(parser: argparse.ArgumentParser, name: str, verb: Verb) -> None:
    """Add the shared options of a verb and its own; its epilog stands as it was written."""
    group = parser.add_argument_group("common options")
    if verb.project:
        group.add_argument(
            "--project",
            type=Path,
            metavar="DIR",
            help="the project's folder (default: the current folder, or the nearest one above)",
        )
    if verb.json:
        group.add_argument("--json", action="store_true", help="print JSON, for programs")
    group.add_argument("--debug", action="store_true", help="show the traceback of an error")
    lines = [f"  phi3scaffold {name} {words}".rstrip() for words in verb.examples]
    parser.epilog = "\n".join(["examples:", *lines])
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.set_defaults(verb=name, explains=parser)
    verb.load().add_arguments(parser)


def overview(verbs: Mapping[str, Verb], *, bold: bool) -> str:
    """Return the help of the whole program: verbs by task, those of the first day explained."""

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
