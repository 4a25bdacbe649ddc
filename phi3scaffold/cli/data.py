"""`phi3scaffold data`: check and prepare the rows, and describe them on one screen."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys

from phi3scaffold.cli import stage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    stage.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from phi3scaffold.cli.ui import data_screen
    from phi3scaffold.project.settings import DEMONSTRATION
    from phi3scaffold.project.training_plan import training_plan

    with contextlib.redirect_stdout(sys.stderr if args.json else sys.stdout):
        project = stage.bring_up_to_date(args, summary=False)
    report = json.loads((project.rows / "report.json").read_text(encoding="utf-8"))
    if args.json:
        print(json.dumps(report, indent=1, ensure_ascii=False))
    else:
        note = DEMONSTRATION if project.is_demonstration else ""
        data_screen.show(report, project.rows, note, training_plan(project))
    return 0
