"""`phi3scaffold doctor`: check this machine, for this project."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from phi3scaffold.cli.ui import check_report, progress
from phi3scaffold.cli.ui.terminal import can_move
from phi3scaffold.project.errors import ScaffoldError

if TYPE_CHECKING:
    from types import ModuleType

    from phi3scaffold.project.findings import Finding
    from phi3scaffold.targets.doctor_context import DoctorContext

FORMAT = 1  # of --json; raised when a key goes or changes its meaning
ORDER = ("error", "warning", "note", "ok", "skipped")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "examples:\n"
        "  phi3scaffold doctor\n"
        "  phi3scaffold doctor --offline --json\n"
        "  phi3scaffold doctor --only memory --only disk\n"
        "  phi3scaffold doctor --explain memory\n"
        "  phi3scaffold doctor --target cuda --model phi-3-medium-4k   # before `new`\n"
        "\nThe exit code is 1 if a check finds an error."
    )
    parser.add_argument("--verbose", "--all", action="store_true", help="list passing checks, too")
    parser.add_argument("--offline", action="store_true", help="skip checks that need the network")
    parser.add_argument(
        "--only", action="append", default=[], metavar="ID", help="run only this check (repeatable)"
    )
    parser.add_argument("--explain", metavar="ID", help="explain a check")
    parser.add_argument("--target", metavar="NAME", help="check for this target, not the project's")
    parser.add_argument("--model", metavar="NAME", help="check for this model, not the project's")


def run(args: argparse.Namespace) -> int:
    """Run the checks and print their findings; return 1 if one is an error."""
    from phi3scaffold.checks.runner import explain, load, relevant, run_checks
    from phi3scaffold.project.settings import find_root
    from phi3scaffold.targets.doctor_context import open_context

    known = load("doctor")
    if args.explain:
        print(explain(_find(args.explain, known).ID))
        return 0
    chosen = [_find(name, known) for name in args.only] or known
    start = find_root(args.project) if args.project else None
    context = open_context(args.target, args.model, offline=args.offline, start=start)
    with progress.show(quiet=args.json or not can_move(sys.stderr)) as display:
        display.start("checking")
        findings = run_checks(
            relevant(chosen, context),
            context,
            crash="warning",
            offline=args.offline,
            waiting=lambda names: display.update(
                0, None, f"waiting for {', '.join(names)}" * bool(names)
            ),
        )
    if args.json:
        print(json.dumps(_as_json(context, findings), indent=2))
    else:
        here = context.folder if context.project or context.broken else "outside of a project"
        print(
            f"{here}: {context.model}{f', for {context.target.name}' if context.target else ''}\n"
        )
        findings.sort(key=lambda one: ORDER.index(one.state))
        everything = args.verbose or bool(args.only)
        check_report.show("doctor", findings, everything=everything, grouped=True)
    return 1 if any(one.state == "error" for one in findings) else 0


def _find(name: str, known: list[ModuleType]) -> ModuleType:
    """Return the check of that ID, or of its part after the number."""
    for module in known:
        if name.lower() in (module.ID.lower(), module.ID.lower().partition("-")[2]):
            return module
    raise ScaffoldError(
        f"There is no check {name!r}.", fix=f"one of: {', '.join(module.ID for module in known)}"
    )


def _as_json(context: DoctorContext, findings: list[Finding]) -> dict[str, Any]:
    from phi3scaffold import __version__

    return {
        "format": FORMAT,
        "phi3scaffold": __version__,
        "folder": str(context.folder),
        "project": context.project is not None or context.broken is not None,
        "target": context.target.name if context.target else None,
        "model": context.model,
        "offline": context.offline,
        "errors": sum(one.state == "error" for one in findings),
        "warnings": sum(one.state == "warning" for one in findings),
        "verdicts": [one.to_json() for one in findings],
    }
