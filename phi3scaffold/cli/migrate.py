"""`phi3scaffold migrate OLD [DIR]`: an Olive config of an older version becomes a project."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3scaffold.cli import new as new_verb

if TYPE_CHECKING:
    from phi3scaffold.generator.legacy import Old, Outcome, Plan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  phi3scaffold migrate olive-config.json my-proj\n"
        "  phi3scaffold migrate olive-config.json my-proj --data rows.jsonl --model tiny\n"
        "  phi3scaffold migrate olive-config.json --check"
    )
    parser.add_argument("old", metavar="OLD", help="the config, as JSON or YAML")
    parser.add_argument(
        "directory",
        metavar="DIR",
        nargs="?",
        help="the folder to make; must not exist (default: OLD's name with -project behind it)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="make nothing; say what Olive 0.13 does with each field of OLD",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--no-git", action="store_true", help="make no repository and no commit")
    group = parser.add_argument_group("in place of what OLD says")
    new_verb.add_options(group)


def run(args: argparse.Namespace) -> int:
    """Read, decide, make the project, print what became of each field."""
    from phi3scaffold.generator import legacy, template
    from phi3scaffold.generator.publish import check_destination

    names = template.questions()
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    template.check_choices(given)
    old = legacy.read(Path(args.old))
    if args.check:
        return _check(old, args.json)
    destination = Path(args.directory or f"{old.path.stem}-project")
    check_destination(destination.expanduser().resolve())
    plan = legacy.plan(old, given)
    said: list[str] = []
    answers = legacy.migrate(plan, destination, git=not args.no_git, say=said.append)
    if args.json:
        print(json.dumps(_as_json(old, plan), indent=2, ensure_ascii=False))
        return 0
    show(old, plan)
    print("\n".join(said))
    new_verb.summary(destination, answers)
    return 0


def show(old: Old, plan: Plan) -> None:
    """Print one line a field, then what was noted about the text and what had to be added."""
    counts = Counter(outcome.fate for outcome in plan.outcomes)
    told = ", ".join(f"{number} {fate}" for fate, number in counts.items())
    print(f"{old.path}: {len(plan.outcomes)} fields: {told}\n")
    for outcome in plan.outcomes:
        print(f"{old.path.name}:{outcome.line}: {outcome.name}")
        print(f"    {outcome.fate}: {_told(outcome)}")
    for title, lines in (
        ("About the text", [f"{old.path.name}:{note.line}: {note.text}" for note in old.notes]),
        ("Added", list(plan.added)),
    ):
        if lines:
            print(f"\n{title}:")
            for line in lines:
                print(f"  {line}")
    print()


def _told(outcome: Outcome) -> str:
    if not outcome.at:
        return outcome.why
    if outcome.at.startswith("--"):
        told = f"{outcome.at} {outcome.value}"
    else:
        told = f"{outcome.at} = {_short(outcome)}"
    return f"{told} ({outcome.why})" if outcome.why else told


def _short(outcome: Outcome) -> str:
    value = outcome.value
    if hasattr(value, "assistant"):
        turns = f"user {value.user!r}, assistant {value.assistant!r}"
        return f"{turns}, system {value.system!r}" if value.system else turns
    if ": files." in outcome.at and isinstance(value, str):
        return f"the rows of {value}"
    return json.dumps(value, ensure_ascii=False)


def _as_json(old: Old, plan: Plan) -> dict[str, Any]:
    return {
        "fields": [asdict(outcome) for outcome in plan.outcomes],
        "notes": [note._asdict() for note in old.notes],
        "added": list(plan.added),
    }


def _check(old: Old, as_json: bool) -> int:
    from phi3scaffold.runtime import environment

    environment.prepare()
    from phi3scaffold.runtime.olive.verdicts import verdicts

    found = verdicts(old.content, [leaf.path for leaf in old.leaves])
    if as_json:
        fields = [
            {"name": leaf.name, "line": leaf.line, **found[leaf.path]._asdict()}
            for leaf in old.leaves
        ]
        print(json.dumps({"fields": fields, "notes": [n._asdict() for n in old.notes]}, indent=2))
        return 0
    for leaf in old.leaves:
        verdict = found[leaf.path]
        mark = "!" if verdict.silent else " "
        print(f"{mark} {old.path.name}:{leaf.line}: {leaf.name}")
        print(f"      {verdict.kind}{': ' if verdict.said else ''}{verdict.said}")
    for note in old.notes:
        print(f"{old.path.name}:{note.line}: {note.text}")
    counts = Counter(verdict.kind for verdict in found.values())
    silent = sum(verdict.silent for verdict in found.values())
    told = ", ".join(f"{number} {kind}" for kind, number in counts.items())
    print(f"\nOlive 0.13 and {len(found)} fields: {told}; {silent} of them (!) without stopping.")
    print("`phi3scaffold migrate OLD DIR` makes a project of it that runs today.")
    return 0
