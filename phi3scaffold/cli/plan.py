"""`phi3scaffold plan`: say what a run will take, before it takes it."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from phi3scaffold.cli.option_types import number
from phi3scaffold.project.setting_names import NOT_NEGATIVE, POSITIVE
from phi3scaffold.project.settings import Project

if TYPE_CHECKING:
    from phi3scaffold.search.forecast import Forecast


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--local", action="store_true", help="plan for this machine's CPU, whatever the target"
    )
    parser.add_argument(
        "--tflops",
        type=number(POSITIVE),
        metavar="N",
        help="for a job in the cloud: what its GPU multiplies in 16 bits, in 10^12 operations a "
        "second (default: an A100's 312)",
    )
    parser.add_argument(
        "--price",
        type=number(NOT_NEGATIVE),
        metavar="N",
        help="what an hour of the machine costs; the plan then says what the run costs",
    )


def run(args: argparse.Namespace) -> int:
    """Print the plan. Raises ScaffoldError where the memory cannot hold the run."""
    from phi3scaffold.cli.stage import find
    from phi3scaffold.cli.ui import plan_screen
    from phi3scaffold.pipeline import environment
    from phi3scaffold.search.forecast import forecast
    from phi3scaffold.stages.graph import STAGES, up_to
    from phi3scaffold.targets.registry import remote_target, runs_remotely

    environment.prepare()
    project = find(args)
    tflops = None
    if runs_remotely(project):
        tflops = args.tflops or remote_target(project, "run").tflops(project)
    found = forecast(project, up_to(), STAGES, tflops=tflops, say=say)
    if args.json:
        values = found.to_json()
        if args.price is not None:
            values["cost"] = found.seconds / 3600 * args.price
        print(json.dumps(values, indent=1))
    else:
        plan_screen.show(found, args.price)
    refuse_too_large(found, project)
    return 0


def say(text: str) -> None:
    """Print what the plan waits for."""
    print(text, file=sys.stderr, flush=True)


def refuse_too_large(found: Forecast, project: Project) -> None:
    """Raise ScaffoldError where this machine's memory cannot hold the run."""
    from phi3scaffold.pipeline import machine
    from phi3scaffold.search.forecast import memory_error
    from phi3scaffold.stages.graph import STAGES

    total, _, swap = machine.memory()
    error = memory_error(found, project, STAGES, total + swap)
    if error is not None and not found.is_remote:
        raise error
