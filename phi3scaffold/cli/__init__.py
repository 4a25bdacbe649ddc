"""The command line: typed words come in; printed lines and an exit code go out.

One file a verb, and no logic: each reads its options, calls the rooms below and prints.
"""

from __future__ import annotations

import os
import shlex
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from phi3scaffold.cli.parser import Verb, build, choose, unknown_verb
from phi3scaffold.cli.ui.terminal import discard_output, guard_terminal
from phi3scaffold.project.errors import (
    FAILED_RUN,
    INTERRUPTED,
    USER_MISTAKE,
    ScaffoldError,
    describe_os_error,
)


def main(verbs: Mapping[str, Verb], words: Sequence[str]) -> int:
    """Run one command line; return its exit code (0, 1 failed run, 2 user's mistake, 130)."""
    if "_ARGCOMPLETE" in os.environ:  # a shell asks what may stand at the cursor
        from phi3scaffold.cli.completion import answer

        answer(verbs)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by the caller, as by >&-
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115
    guard_terminal()
    choice = choose(verbs, words)
    if choice is None and words and not words[0].startswith("-"):
        return _report(unknown_verb(verbs, words[0]))
    args = build(verbs, words).parse_args(words)
    if not words:
        args.explains.print_help(sys.stdout)
        return 0
    if choice is None or args.verb is None:  # no verb, or one that only has verbs below it
        args.explains.print_help(sys.stderr)
        return USER_MISTAKE
    if choice.old_name:
        print(
            f"note: `phi3scaffold {choice.old_name}` is now `phi3scaffold {choice.name}`",
            file=sys.stderr,
        )
    args.words = list(words)
    try:
        return choice.verb.load().run(args) or 0
    except BrokenPipeError:  # `... | head`
        discard_output()
        return FAILED_RUN
    except (ScaffoldError, KeyboardInterrupt, OSError) as error:
        if args.debug:
            traceback.print_exc()
        return _report(error, words)


def _report(error: ScaffoldError | KeyboardInterrupt | OSError, words: Sequence[str] = ()) -> int:
    """Say what ended the command of these words; return the exit code."""
    if isinstance(error, KeyboardInterrupt):
        print(str(error) or "interrupted", file=sys.stderr)
        if str(error):  # it says what was saved
            command = shlex.join(["phi3scaffold", *words])
            print(f"  to go on, run the same command again: {command}", file=sys.stderr)
        return INTERRUPTED
    known = error if isinstance(error, ScaffoldError) else describe_os_error(error)
    print(f"error: {known}", file=sys.stderr)
    return known.exit_code
