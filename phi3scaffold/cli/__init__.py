"""The command line: asks, prints, turns errors into exit codes. No logic lives here.

Each verb is a module with `add_arguments(parser)` and `run(args) -> int | None`. Only the module
of the verb that was typed is imported, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from phi3scaffold import __version__
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError, describe_os_error

INTERRUPTED = 130


class Verb(NamedTuple):
    """Where a verb lives, its one line of help, and what may stand behind it, for examples.

    The examples are for a module without an epilog of its own, as several verbs share one.
    """

    module: str
    help: str
    examples: tuple[str, ...] = ()


def build(verbs: Mapping[str, Verb], chosen: str | None) -> argparse.ArgumentParser:
    """The parser, with the options of the verb `chosen` alone: only its module is imported."""
    parser = argparse.ArgumentParser(
        prog="phi3scaffold",
        usage="phi3scaffold VERB [options]   (phi3scaffold VERB --help)",
        description="Scaffold, fine-tune, quantize and run a Phi model of your own.",
        epilog="example: phi3scaffold new my-proj --algo qlora --target cpu --model tiny",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"phi3scaffold {__version__}")
    subparsers = parser.add_subparsers(
        prog="phi3scaffold", dest="verb", metavar="VERB", title="verbs", required=True
    )
    for name, verb in verbs.items():
        sub = subparsers.add_parser(name, help=verb.help, description=verb.help.capitalize() + ".")
        if name == chosen:
            sub.formatter_class = argparse.RawDescriptionHelpFormatter
            lines = [f"  phi3scaffold {name} {words}".rstrip() for words in verb.examples]
            sub.epilog = "\n".join(["examples:", *lines]) if lines else None
            importlib.import_module(verb.module).add_arguments(sub)
            sub.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser


def main(verbs: Mapping[str, Verb], argv: Sequence[str]) -> int:
    """Run one command line; return its exit code (0, 1 failed run, 2 user's mistake, 130)."""
    if "_ARGCOMPLETE" in os.environ:  # a shell asks what may stand at the cursor
        from phi3scaffold.cli.completion import answer

        answer(verbs)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by who called, as by >&-
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115
    parser = build(verbs, next((word for word in argv if not word.startswith("-")), None))
    args = parser.parse_args(argv)
    args.words = list(argv)
    try:
        return importlib.import_module(verbs[args.verb].module).run(args) or 0
    except BrokenPipeError:  # `... | head`
        let_go()
        return FAILED_RUN
    except (ScaffoldError, KeyboardInterrupt, OSError) as error:
        if args.debug:
            traceback.print_exc()
        return _told(error)


def let_go() -> None:
    """Nobody reads standard output any more: what is left for it goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _told(error: ScaffoldError | KeyboardInterrupt | OSError) -> int:
    """Say what ended the command; return the exit code."""
    if isinstance(error, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    told = error if isinstance(error, ScaffoldError) else describe_os_error(error)
    print(f"error: {told}", file=sys.stderr)
    return told.exit_code
