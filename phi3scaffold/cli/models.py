"""`phi3scaffold models`: show the catalogue of base models on one screen."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from phi3scaffold.cli.ui.terminal import columns
from phi3scaffold.models.catalogue import DEFAULT, ENTRIES, CatalogueEntry
from phi3scaffold.models.families.registry import architectures_text
from phi3scaffold.project.formatting import binary_size

FOOTER = f"""\
Default: {DEFAULT}.
Any other hub id or local folder works if its config says {architectures_text()}.
Tested: tiny with its trained weights, through the whole pipeline; the features
of the others (LoRA, QLoRA, merging, int4, equal tokens) with random weights of
two layers. Not tested: their real weights."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def run(args: argparse.Namespace) -> None:
    if args.json:
        print(json.dumps([as_json(entry) for entry in ENTRIES], indent=2))
    elif sys.stdout.isatty():
        print_table()
    else:
        print("\n".join([*columns([_cells(entry) for entry in ENTRIES]), "", FOOTER]))


def as_json(entry: CatalogueEntry) -> dict[str, Any]:
    """Return everything the catalogue says about one model. Sizes: parameters, GiB, tokens."""
    return {
        "name": entry.name,
        "hub_id": entry.hub_id,
        "parameters": entry.parameters,
        "weights_gb": None if entry.weights_gb is None else round(entry.weights_gb, 3),
        "context": entry.context,
        "licence": entry.licence,
        "features": list(entry.features),
        "target_modules": list(entry.target_modules),
        "stop_ids": list(entry.stop_ids),
        "default": entry.hub_id == DEFAULT,
        "tested": entry.tested,
        "untested": entry.untested,
        "notes": entry.notes,
    }


def _cells(entry: CatalogueEntry) -> tuple[str, ...]:
    return (
        entry.name,
        entry.hub_id or "(in this package)",
        "?" if entry.parameters is None else _count(entry.parameters),
        "?" if entry.weights_gb is None else binary_size(entry.weights_gb * 2**30),
        "?" if entry.context is None else _context(entry.context),
        entry.licence,
        ", ".join(entry.features) or "plain",
        "trained weights" if entry.hub_id is None else "random two-layer",
    )


def print_table() -> None:
    """Print the table for a terminal; at 80 columns it fits one screen."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("name", style="cyan", no_wrap=True)
    for title in ("size", "bf16", "context"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("licence", no_wrap=True)
    table.add_column("features")
    for entry in ENTRIES:
        name, _, size, weights, context, licence, features, _ = _cells(entry)
        table.add_row(name, size, weights, context, licence, features)
    console = Console()
    console.print(table)
    console.print(f"\n{FOOTER}", style="dim", highlight=False)


def _count(parameters: int) -> str:
    if parameters >= 10**9:
        return f"{parameters / 10**9:.1f}B"
    return f"{parameters / 10**6:.1f}M"


def _context(tokens: int) -> str:
    return f"{tokens // 1024}k" if tokens >= 1024 else str(tokens)
