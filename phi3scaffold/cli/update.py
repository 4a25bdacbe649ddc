"""`phi3scaffold update`: bring a project to the installed version, keeping what was edited."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from phi3scaffold.project.errors import ScaffoldError

if TYPE_CHECKING:
    from phi3scaffold.generator.update import UpdatePlan
    from phi3scaffold.generator.update.merge import FileUpdate

# What became of files, in the order of the summary: most pressing last.
SAID = {
    "changed": "changed",
    "added": "added",
    "removed": "removed",
    "moved": "moved",
    "merged": "merged with your edits",
    "kept": "left as they are",
    "conflict": "in conflict",
}
MOST = 8  # lines of one fate; conflicts are all shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "examples:\n"
        "  phi3scaffold update --diff\n"
        "  phi3scaffold update\n"
        "  phi3scaffold update --set algo=qlora --set precision=int8\n"
        "  phi3scaffold update --abort"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--diff", action="store_true", help="change nothing; show what would change")
    what.add_argument(
        "--abort",
        action="store_true",
        help="put everything back as it was before an update that is not committed",
    )
    parser.add_argument(
        "--set",
        metavar="ANSWER=VALUE",
        action="append",
        default=[],
        help="change an answer that was given to `new`, such as algo=qlora; again for another",
    )


def run(args: argparse.Namespace) -> int:
    """Update, or show, or undo."""
    from phi3scaffold.generator import update
    from phi3scaffold.project.settings import find_root

    root = find_root(args.project)
    choices = _choices(args.set)
    if args.abort:
        if choices:
            raise ScaffoldError("--abort takes no --set.", fix="first one, then the other")
        later = update.abort(root)
        if args.json:
            print(json.dumps({"aborted": True, "kept": str(later) if later else None}))
            return 0
        print("Everything is as it was before the update.")
        if later:
            print(f"What you changed since then is in {later}")
        return 0
    if args.diff:
        found = update.plan(root, choices)
        if args.json:
            print(json.dumps(_as_json(found), indent=2, ensure_ascii=False))
            return 0
        color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        print(update.diff(found, color=color), end="")
        summary(found, done=False)
        return 0
    found = update.update(root, choices)
    if args.json:
        print(json.dumps(_as_json(found), indent=2, ensure_ascii=False))
    else:
        summary(found, done=True)
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


def summary(found: UpdatePlan, *, done: bool) -> None:
    """Print what became of which files, and the next steps: one screen.

    Of an update that was only looked at, on stderr: what stdout has is a patch.
    """
    out = sys.stdout if done else sys.stderr
    if not found.changes:
        print(f"{found.root.name} is up to date: {found.new}", file=out)
        return
    versions = found.new if found.old == found.new else f"{found.old} -> {found.new}"
    print(f"{'Updated' if done else 'Would update'} {found.root.name}: {versions}", file=out)
    for fate, said in SAID.items():
        changes = found.of(fate)
        if not changes:
            continue
        print(f"\n{len(changes)} {said}:", file=out)
        shown = changes if fate == "conflict" else changes[:MOST]
        for change in shown:
            print(f"  {_line(change)}", file=out)
        if len(changes) > len(shown):
            print(f"  and {len(changes) - len(shown)} more", file=out)
    for note in found.notes:
        print(f"\n{note}", file=out)
    if not done or not found.writes:
        return
    print("\nNext:")
    if found.of("conflict"):
        print("  edit the files in conflict: <<<<<<< yours ======= the template's >>>>>>>")
    print(f'  git add -A && git commit -m "phi3scaffold {found.new}"')
    print("  phi3scaffold update --abort   (instead: everything as before)")
    if any(change.path.startswith("setup/") for change in found.changes):
        print("  make setup                    (setup/ has changed; without make: setup/setup.ps1)")


def _line(change: FileUpdate) -> str:
    line = change.path if change.source is None else f"{change.source} -> {change.path}"
    return f"{line}  ({change.why})" if change.why else line


def _as_json(found: UpdatePlan) -> dict[str, Any]:
    files = [
        {"path": one.path, "fate": one.fate, "from": one.source, "why": one.why}
        for one in found.changes
    ]
    return {"from": found.old, "to": found.new, "files": files, "notes": list(found.notes)}
