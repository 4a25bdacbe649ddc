"""`phi3scaffold models`: the base models on one screen, or all that is known of one."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from phi3scaffold.cli.ui.terminal import columns, has_colour
from phi3scaffold.models.catalogue import DEFAULT, ENTRIES, CatalogueEntry, describe, find
from phi3scaffold.project.algorithms import ALGORITHMS
from phi3scaffold.project.formatting import binary_size, decimal_size, parameter_count
from phi3scaffold.training.memory import training_memory

IN_TABLE = ("lora", "qlora")  # the algorithms whose memory stands in the table
HEAD = ("name", "weights", *IN_TABLE, "licence", "tested")
NAMES = 14  # columns of what stands before a value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    action = parser.add_argument(
        "name", nargs="?", metavar="NAME", help="show everything known about this model"
    )
    names = tuple(entry.name for entry in ENTRIES)
    action.completer = lambda **_: names  # type: ignore[attr-defined]


def run(args: argparse.Namespace) -> None:
    entries = [describe(args.name)] if args.name else list(ENTRIES)
    if args.json:
        found = [as_json(entry) for entry in entries]
        print(json.dumps(found[0] if args.name else found, indent=2))
    elif args.name:
        print("\n".join(details(entries[0])))
    else:
        bold = ("\x1b[1m", "\x1b[0m") if has_colour(sys.stdout) else ("", "")
        first, *others = table()
        print("\n".join([first.join(bold), *others]))


def as_json(entry: CatalogueEntry) -> dict[str, Any]:
    """Return everything the catalogue says about one model. Sizes: parameters, GiB, tokens."""
    memory = memory_by_algorithm(entry)
    return {
        "name": entry.name,
        "hub_id": entry.hub_id,
        "family": entry.family.title,
        "parameters": entry.parameters,
        "weights_gb": None if entry.weights_gb is None else round(entry.weights_gb, 3),
        "download_bytes": entry.download,
        "training_gb": {name: round(size / 2**30, 2) for name, size in memory.items()},
        "context": entry.context,
        "licence": entry.licence.title,
        "gated": entry.gated,
        "features": list(entry.features),
        "target_modules": list(entry.target_modules),
        "stop_ids": list(entry.stop_ids),
        "default": entry.hub_id == DEFAULT,
        "tested": entry.tested,
        "untested": entry.untested,
        "notes": entry.notes,
    }


def memory_by_algorithm(entry: CatalogueEntry) -> dict[str, int]:
    """Return algorithm -> bytes that training takes at least; empty where no size is known."""
    if entry.shape is None:
        return {}
    return {
        one.name: training_memory(entry.shape, entry.target_modules, one)
        for one in ALGORITHMS
        if not one.refusal
    }


def table() -> list[str]:
    """Return the table's lines: its head, models with equal sizes in one line, what it means."""
    default = find(DEFAULT)
    assert default is not None
    return [
        *columns([HEAD, *map(cells, grouped())]),
        f"{', '.join(IN_TABLE)}: least memory to train. Download: 2 bytes/weight. "
        "More: models NAME",
        f"mechanics: tested on small random models like it. Default: {default.name}",
    ]


def grouped() -> Iterator[list[CatalogueEntry]]:
    """Yield the models from small to large; those that differ in their context alone together."""
    found: dict[Any, list[CatalogueEntry]] = {}
    for entry in sorted(ENTRIES, key=lambda entry: entry.parameters or 0):
        shape = entry.shape and replace(entry.shape, context=0, original_context=0)
        found.setdefault((shape, entry.name.rpartition("-")[0] or entry.name), []).append(entry)
    yield from found.values()


def cells(alike: Sequence[CatalogueEntry]) -> tuple[str, ...]:
    entry, memory = alike[0], memory_by_algorithm(alike[0])
    others = (f"-{other.name.rpartition('-')[2]}" for other in alike[1:])
    return (
        ", ".join([entry.name, *others]),
        parameter_count(entry.parameters or 0),
        *(binary_size(memory[name]) if memory else "?" for name in IN_TABLE),
        entry.licence.title + (", gated" if entry.gated else ""),
        "yes" if entry.weights_run else "mechanics" if entry.has_mechanics else "no",
    )


def details(entry: CatalogueEntry) -> list[str]:
    """Return the lines on one model."""
    memory = memory_by_algorithm(entry)
    licence = " ".join(filter(None, (entry.licence.title, entry.licence.url)))
    said = {
        "model": entry.hub_id or entry.name,
        "family": f"{entry.family.title} ({entry.family.architecture})" if entry.shape else "",
        "weights": f"{entry.parameters:,}, {binary_size(entry.parameters * 2)} in 16 bits"
        if entry.parameters
        else "",
        "download": decimal_size(entry.download) if entry.download else "",
        "context": f"{entry.context:,} tokens" if entry.context else "",
        "features": ", ".join(entry.features),
        "chat template": "; ".join(entry.family.template_features) if entry.shape else "",
        "adapters on": ", ".join(entry.target_modules) if entry.shape else "",
        "training": ", ".join(f"{name} {binary_size(size)}" for name, size in memory.items())
        + (" of memory or more" if memory else ""),
        "licence": licence,
        "to publish": " ".join(filter(None, (entry.licence.notice, entry.licence.duties))),
        "access": entry.access,
        "tested": entry.tested,
        "not tested": entry.untested,
        "notes": entry.notes,
    }
    lines = []
    for name, text in said.items():
        if text:
            head = f"{name:<{NAMES}}"
            lines += textwrap.wrap(
                head + text, 80, subsequent_indent=" " * NAMES, break_on_hyphens=False,
                break_long_words=False,
            )  # fmt: skip
    return lines
