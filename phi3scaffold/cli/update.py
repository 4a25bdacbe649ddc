"""`phi3scaffold update`: bring a project to the installed version and keep the user's edits."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from phi3scaffold.cli.ui.terminal import has_colour, print_coloured
from phi3scaffold.project.errors import ScaffoldError

if TYPE_CHECKING:
    from phi3scaffold.generator.update import UpdatePlan
    from phi3scaffold.generator.update.merge import FileUpdate

# A file's fate in words, in the order of the summary: the most urgent last.
FATES = {
    "changed": "changed",
    "added": "added",
    "removed": "removed",
    "moved": "moved",
    "merged": "merged with your edits",
    "kept": "left as they are",
    "conflict": "in conflict",
}
SHOWN = 8  # files of one fate; conflicts are all shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "examples:\n"
        "  phi3scaffold update --diff\n"
        "  phi3scaffold update\n"
        "  phi3scaffold update --set algo=qlora --set precision=int8\n"
        "  phi3scaffold update --abort"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--diff", action="store_true", help="show what would change, and change nothing"
    )
    what.add_argument("--abort", action="store_true", help="undo an update that is not committed")
    parser.add_argument(
        "--set",
        metavar="ANSWER=VALUE",
        action="append",
        default=[],
        help="change an answer given to `new`, such as algo=qlora (repeatable)",
    )


def run(args: argparse.Namespace) -> int:
    from phi3scaffold.generator import update
    from phi3scaffold.project.settings import find_root

    root = find_root(args.project)
    choices = _choices(args.set)
    if args.abort:
        if choices:
            raise ScaffoldError("--abort takes no --set.", fix="run the two one after the other")
        saved = update.abort(root)
        if args.json:
            print(json.dumps({"aborted": True, "kept": str(saved) if saved else None}))
            return 0
        print("Everything is as it was before the update.")
        if saved:
            print(f"Your later changes are saved in {saved}")
        return 0
    plan = update.plan(root, choices) if args.diff else update.update(root, choices)
    if args.json:
        print(json.dumps(_as_json(plan), indent=2, ensure_ascii=False))
        return 0
    if args.diff:
        print_coloured(update.diff(plan, color=has_colour(sys.stdout)))
    summary(plan, done=not args.diff)
    return 0


def _choices(words: list[str]) -> dict[str, str]:
    choices = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise ScaffoldError(
                f"{word!r} is not ANSWER=VALUE.", where="--set", fix="such as --set algo=qlora"
            )
        choices[name.strip().replace("-", "_")] = value.strip()
    return choices


def summary(plan: UpdatePlan, *, done: bool) -> None:
    """Print the fate of each file and the next steps, on one screen.

    An update that was only planned is summarized on stderr: stdout has the patch.
    """
    out = sys.stdout if done else sys.stderr
    if not plan.changes:
        print(f"{plan.root.name} is up to date: {plan.new}", file=out)
        return
    versions = plan.new if plan.old == plan.new else f"{plan.old} -> {plan.new}"
    print(f"{'Updated' if done else 'Would update'} {plan.root.name}: {versions}", file=out)
    for fate, words in FATES.items():
        changes = plan.of(fate)
        if not changes:
            continue
        print(f"\n{len(changes)} {words}:", file=out)
        shown = changes if fate == "conflict" else changes[:SHOWN]
        for change in shown:
            print(f"  {_line(change)}", file=out)
        if len(changes) > len(shown):
            print(f"  and {len(changes) - len(shown)} more", file=out)
    for note in plan.notes:
        print(f"\n{note}", file=out)
    if not done or not plan.writes:
        return
    print("\nNext:")
    if plan.of("conflict"):
        print("  edit the files in conflict: <<<<<<< yours ======= the template's >>>>>>>")
    print(f'  git add -A && git commit -m "phi3scaffold {plan.new}"')
    print("  phi3scaffold update --abort   (to undo the update instead)")
    if any(change.path.startswith("setup/") for change in plan.changes):
        print("  make setup                    (setup/ has changed; without make: setup/setup.ps1)")


def _line(change: FileUpdate) -> str:
    line = change.path if change.source is None else f"{change.source} -> {change.path}"
    return f"{line}  ({change.why})" if change.why else line


def _as_json(plan: UpdatePlan) -> dict[str, Any]:
    files = [
        {"path": one.path, "fate": one.fate, "from": one.source, "why": one.why}
        for one in plan.changes
    ]
    return {"from": plan.old, "to": plan.new, "files": files, "notes": list(plan.notes)}
