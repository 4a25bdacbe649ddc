"""`phi3scaffold lint`: check the project's files."""

from __future__ import annotations

import argparse
import json
import sys

from phi3scaffold.cli.ui import check_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "examples:\n"
        "  phi3scaffold lint\n"
        "  phi3scaffold lint --diff          # what --fix would change\n"
        "  phi3scaffold lint --explain L10-target-modules\n"
        "\nThe exit code is 1 if a check finds an error. `lint.ignore` in project.yaml lists "
        "checks to skip."
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--fix", action="store_true", help="fix what is safe to fix; print a diff")
    group.add_argument("--diff", action="store_true", help="print what --fix would change")
    group.add_argument("--explain", metavar="ID", help="explain a check")
    parser.add_argument(
        "--quick", action="store_true", help="skip the checks that load Olive, which takes seconds"
    )
    parser.add_argument(
        "--verify",
        "--deep",
        action="store_true",
        help="read every file of every result, and compare its hash (default: only files whose "
        "size, times or inode have changed)",
    )
    parser.add_argument("--strict", action="store_true", help="exit with 1 for a warning, too")
    parser.add_argument("--all", action="store_true", help="list passing checks, too")


def run(args: argparse.Namespace) -> int:
    """Run the checks, fix what --fix can, print the findings; return 1 if one is an error."""
    from phi3scaffold.checks import lint_report
    from phi3scaffold.checks.lint_context import LintContext
    from phi3scaffold.checks.runner import explain
    from phi3scaffold.project.settings import find_root

    if args.explain:
        print(explain(args.explain))
        return 0
    root = find_root(args.project)
    if args.fix or args.diff:
        changed = list(lint_report.fix_project(root, write=args.fix))
        to = sys.stderr if args.json else sys.stdout
        for change, diff in changed:
            print(f"{change.name}: {change.why}\n{diff}", file=to)
        if args.diff:
            return 0
    result = lint_report.lint_project(
        LintContext(root, verify=args.verify, quick=args.quick, say=_say)
    )
    if args.json:
        print(json.dumps([finding.to_json() for finding in result.findings], indent=2))
    else:
        left_out = [f"{len(result.left_out)} ignored"] if result.left_out else []
        check_report.show("lint", result.findings, everything=args.all, more=left_out)
    return 1 if result.fails(args.strict) else 0


def _say(line: str) -> None:
    if sys.stderr.isatty():
        print(line, file=sys.stderr)
