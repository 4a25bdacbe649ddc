"""`phi3scaffold clean`: remove what a run makes again, and say what that frees."""

from __future__ import annotations

import argparse

EPILOG = """examples:
  phi3scaffold clean --dry-run
  phi3scaffold clean
  phi3scaffold clean --all     # the base model, too: it is downloaded again

Rows, settings and tracked runs stay, and so does everything that no run has made.
`phi3scaffold info` shows what the project takes of the disk.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    parser.add_argument(
        "--all", action="store_true", help="remove the base model in model-cache/, too"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be removed, and remove nothing"
    )


def run(args: argparse.Namespace) -> int:
    from phi3scaffold.cli.ui.terminal import columns
    from phi3scaffold.project.formatting import decimal_size
    from phi3scaffold.project.settings import find_project
    from phi3scaffold.stages import disk_use

    project = find_project(args.project)
    if args.dry_run:
        found = disk_use.removable(project, everything=args.all)
    else:
        found = disk_use.clean(project, everything=args.all)
    total = decimal_size(sum(one.bytes for one in found))
    rows = [
        (one.path.relative_to(project.root).as_posix(), decimal_size(one.bytes)) for one in found
    ]
    if rows:
        print("\n".join(columns(rows)))
    verb = "would free" if args.dry_run else "freed"
    print(f"{verb} {total}" if rows else "nothing to remove")
    others = [one for one in disk_use.removable(project, everything=True) if one not in found]
    if others:
        more = decimal_size(sum(one.bytes for one in others))
        print(f"--all frees {more} more: the base model, which is downloaded again")
    return 0
