"""`phi3scaffold migrate OLD [DIR]`: generate a project from an old Olive config."""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3scaffold.cli import new as new_verb
from phi3scaffold.cli.ui import migration_report
from phi3scaffold.cli.ui.new_summary import summary
from phi3scaffold.cli.ui.progress import EVERY
from phi3scaffold.project.formatting import duration

if TYPE_CHECKING:
    from phi3scaffold.migration import MigrationPlan, OldConfig

SILENT = 2.0  # seconds before it is said what is waited for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "examples:\n"
        "  phi3scaffold migrate olive-config.json my-proj\n"
        "  phi3scaffold migrate olive-config.json my-proj --data rows.jsonl --model tiny\n"
        "  phi3scaffold migrate olive-config.json --check"
    )
    parser.add_argument("old", metavar="OLD", help="the Olive config, in JSON or YAML")
    parser.add_argument(
        "directory",
        metavar="DIR",
        nargs="?",
        help="the folder to create; it must not exist (default: OLD's name with -project)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="create nothing; explain what Olive 0.13 does with each field of OLD",
    )
    parser.add_argument("--no-git", action="store_true", help="create no git repository")
    group = parser.add_argument_group("answers that override OLD")
    new_verb.add_options(group, columns=False)


def run(args: argparse.Namespace) -> int:
    from phi3scaffold import migration
    from phi3scaffold.generator import template
    from phi3scaffold.pipeline.atomic_folder import check_destination

    overrides = new_verb.answers_of(args)
    template.check_choices(overrides)
    old = migration.read(Path(args.old))
    if args.check:
        return _check(old, args.json)
    destination = Path(args.directory or f"{old.path.stem}-project")
    check_destination(destination.expanduser().resolve())
    plan = migration.plan(old, overrides)
    with _patience(plan.hub_id):
        plan = migration.look(plan)
    messages: list[str] = []
    answers = migration.migrate(plan, destination, git=not args.no_git, say=messages.append)
    if args.json:
        print(json.dumps(_as_json(old, plan), indent=2, ensure_ascii=False))
        return 0
    first = [line for line in (plan.notice, *filter(_is_warning, messages)) if line]
    messages = [line for line in messages if not _is_warning(line)]
    first += [""] if first else []
    print("\n".join([*first, *migration_report.lines(old, plan, _width()), *messages]))
    summary(destination, answers)
    return 0


def _is_warning(line: str) -> bool:
    return line.startswith("warning:")


@contextlib.contextmanager
def _patience(hub_id: str | None) -> Iterator[None]:
    """Say what is waited for, where it takes long."""
    if hub_id is None:
        yield
        return
    done = threading.Event()

    def say() -> None:
        began, wait = time.monotonic(), SILENT
        while not done.wait(wait):
            passed = duration(time.monotonic() - began)
            print(f"asking the hub for {hub_id}, {passed} ...", file=sys.stderr, flush=True)
            wait = EVERY

    thread = threading.Thread(target=say, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _width() -> int:
    """Return the width of the terminal; a file or a pipe gets whole lines."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000


def _as_json(old: OldConfig, plan: MigrationPlan) -> dict[str, Any]:
    return {
        "fields": [asdict(outcome) for outcome in plan.outcomes],
        "notes": [note._asdict() for note in old.notes],
        "added": list(plan.added),
        "notice": plan.notice,
    }


def _check(old: OldConfig, as_json: bool) -> int:
    from phi3scaffold.pipeline import environment

    environment.prepare()
    from phi3scaffold.migration.field_verdicts import verdicts

    by_path = verdicts(old.content, [leaf.path for leaf in old.leaves])
    if as_json:
        fields = []
        for leaf in old.leaves:
            verdict = by_path[leaf.path]
            row = {"kind": verdict.kind, "said": verdict.message, "silent": verdict.silent}
            fields.append({"name": leaf.name, "line": leaf.line, **row})
        print(json.dumps({"fields": fields, "notes": [n._asdict() for n in old.notes]}, indent=2))
        return 0
    for line in migration_report.verdicts(old, by_path, _width()):
        print(line)
    counts = Counter(verdict.kind for verdict in by_path.values())
    silent = sum(verdict.silent for verdict in by_path.values())
    kinds = ", ".join(f"{number} {kind}" for kind, number in counts.items())
    print(f"\nOlive 0.13, {len(by_path)} fields: {kinds}; {silent} silently ignored (!).")
    print(f"`phi3scaffold migrate {old.path} DIR` generates a project that runs today.")
    return 0
