"""`phi3scaffold models`: the catalogue on one screen."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from phi3scaffold.models.catalogue import DEFAULT, ENTRIES, CatalogueEntry
from phi3scaffold.models.families.registry import architectures_text

FOOTER = f"""\
Default: {DEFAULT}.
Also any hub id, and any local folder, whose config says {architectures_text()}.
Tested: tiny, with its trained weights, through the whole pipeline; of the
others, the features, on a two-layer random model: LoRA, QLoRA, merge, int4 and
token identity. Not tested: their real weights."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def run(args: argparse.Namespace) -> None:
    if args.json:
        print(json.dumps([as_json(entry) for entry in ENTRIES], indent=2))
    elif sys.stdout.isatty():
        print_table()
    else:
        for line in plain_lines():
            print(line)


def as_json(entry: CatalogueEntry) -> dict[str, Any]:
    """Everything the catalogue says about one model. Sizes: parameters, GiB, tokens."""
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


def plain_lines() -> list[str]:
    """The table for a pipe or a log: one line a model, columns aligned, then the footer."""
    rows = [_cells(entry) for entry in ENTRIES]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return [*lines, "", *FOOTER.splitlines()]


def _cells(entry: CatalogueEntry) -> tuple[str, ...]:
    return (
        entry.name,
        entry.hub_id or "(in this package)",
        _count(entry.parameters),
        _size(entry.weights_gb),
        _context(entry.context),
        entry.licence,
        ", ".join(entry.features) or "plain",
        "trained weights" if entry.hub_id is None else "random two-layer",
    )


def print_table() -> None:
    """The table for a terminal; at 80 columns it still fits one screen."""
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


def _count(parameters: int | None) -> str:
    if parameters is None:
        return "?"
    if parameters >= 10**9:
        return f"{parameters / 10**9:.1f}B"
    return f"{parameters / 10**6:.1f}M"


def _size(gib: float | None) -> str:
    if gib is None:
        return "?"
    return f"{gib:.1f} GiB" if gib >= 0.1 else f"{gib * 1024:.0f} MiB"


def _context(tokens: int | None) -> str:
    return "?" if tokens is None else f"{tokens // 1024}k" if tokens >= 1024 else str(tokens)
