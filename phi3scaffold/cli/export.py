"""`phi3scaffold export`: convert the merged model, or the base model as it is, to ONNX."""

from __future__ import annotations

import argparse

from phi3scaffold.cli import stage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    stage.add_arguments(parser)
    parser.epilog = "example: phi3scaffold export --base && phi3scaffold infer --form onnx-base"
    parser.add_argument(
        "--base",
        action="store_true",
        help="quantize and convert the base model, without training, into gen-model/onnx-base",
    )


def run(args: argparse.Namespace) -> int:
    if args.base:
        args.verb = "export-base"
    return stage.run(args)
