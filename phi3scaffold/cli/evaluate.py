"""`phi3scaffold evaluate`: measure the project's forms, or a model folder from elsewhere."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from typing import TYPE_CHECKING

from phi3scaffold.cli import stage
from phi3scaffold.evaluation.comparison_lines import comparison_lines
from phi3scaffold.project.layout import METRICS

if TYPE_CHECKING:
    from phi3scaffold.evaluation.metrics import Metrics


def add_arguments(parser: argparse.ArgumentParser) -> None:
    stage.add_arguments(parser)
    parser.epilog = "example: phi3scaffold evaluate --model ../other/gen-model/onnx"
    parser.add_argument(
        "--model",
        metavar="DIR",
        help="measure this model folder (ONNX, transformers or PEFT) on the project's held-out "
        "rows, in place of the project's forms; the project does not change",
    )


def run(args: argparse.Namespace) -> int:
    """Measure, and print the comparison; standard output has the JSON alone."""
    if args.model is None and not args.json:
        return stage.run(args)
    if args.model is None:
        with contextlib.redirect_stdout(sys.stderr):
            stage.run(args)
        path = stage.find(args).evaluation / METRICS
        print(path.read_text(encoding="utf-8").rstrip())
        return 0
    metrics = _evaluate_folder(args)
    if args.json:
        print(json.dumps(metrics.to_json(), indent=1))
    else:
        print("\n".join(comparison_lines(metrics)))
    return 0


def _evaluate_folder(args: argparse.Namespace) -> Metrics:
    """Measure the folder; progress goes to standard error."""
    import tempfile
    from pathlib import Path

    from phi3scaffold.cli.ui.run_progress import show_progress
    from phi3scaffold.evaluation.external_model import evaluate_folder
    from phi3scaffold.inference.forms.kinds import form_in
    from phi3scaffold.pipeline.events import StageStarted

    folder = Path(args.model).resolve()
    form_in(folder)  # before anything is prepared
    with contextlib.redirect_stdout(sys.stderr):
        prepare = argparse.Namespace(**{**vars(args), "verb": "data"})
        project = stage.bring_up_to_date(prepare, summary=False)
        with (
            show_progress(project, summary=False) as emit,
            tempfile.TemporaryDirectory() as scratch,
        ):
            emit(StageStarted("evaluate", "measuring the model"))
            return evaluate_folder(project, folder, emit, Path(scratch))
