"""The command line: asks, prints, turns errors into exit codes. No logic lives here.

Each verb is a module with `add_arguments(parser)` and `run(args) -> int | None`. Only the module
of the verb that was typed is imported, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from phi3scaffold import __version__
from phi3scaffold.errors import FAILED_RUN, ScaffoldError, describe_os_error

INTERRUPTED = 130


class Verb(NamedTuple):
    """Where a verb lives and its one line of help."""

    module: str
    help: str


def main(verbs: Mapping[str, Verb], argv: Sequence[str]) -> int:
    """Run one command line; return its exit code (0, 1 failed run, 2 user's mistake, 130)."""
    parser = argparse.ArgumentParser(
        prog="phi3scaffold",
        usage="phi3scaffold VERB [options]   (phi3scaffold VERB --help)",
        description="Scaffold, fine-tune, quantize and run a Phi model of your own.",
        epilog="example: phi3scaffold new my-proj --algo qlora --target cpu --model tiny",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"phi3scaffold {__version__}")
    chosen = next((word for word in argv if not word.startswith("-")), None)
    subparsers = parser.add_subparsers(
        prog="phi3scaffold", dest="verb", metavar="VERB", title="verbs", required=True
    )
    module = None
    for name, verb in verbs.items():
        sub = subparsers.add_parser(name, help=verb.help, description=verb.help.capitalize() + ".")
        if name == chosen:
            module = importlib.import_module(verb.module)
            module.add_arguments(sub)
            sub.add_argument("--debug", action="store_true", help="show tracebacks")
    args = parser.parse_args(argv)
    assert module is not None  # argparse has refused an unknown verb
    try:
        return module.run(args) or 0
    except ScaffoldError as error:
        if args.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        if args.debug:
            raise
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED_RUN
    except OSError as error:
        if args.debug:
            raise
        print(f"error: {describe_os_error(error)}", file=sys.stderr)
        return 2
