"""report.html: the prepared dataset, before a model is trained on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from phi3scaffold import __version__
from phi3scaffold.datasets.findings import findings, fit, not_found, trained_of
from phi3scaffold.datasets.question_findings import not_checked
from phi3scaffold.project.formatting import binary_size, count, share
from phi3scaffold.project.training_plan import TrainingPlan
from phi3scaffold.reporting.figures import bars, histogram
from phi3scaffold.reporting.pages import render

SIDES = {"train": "training", "validation": "validation", "held_out": "held-out"}
TASKS = {
    "classify": "Classification: one of a few labels for a text",
    "qa": "Question answering",
    "chat": "Conversations",
}
MOST_BARS = 24  # labels in the picture; the table has all
SAMPLE_LETTERS = 6000


def write(
    report: dict[str, Any], path: Path, note: str = "", plan: TrainingPlan | None = None
) -> None:
    """Write the page of a report.json to `path`; the same report gives the same bytes.

    Args:
        report: what report.json holds.
        path: the page.
        note: one sentence for the top.
        plan: how long training will run by the settings of today.
    """
    page = render(
        "data_page.html.j2",
        title="Dataset report",
        version=__version__,
        report=report,
        task=TASKS[report["task"]],
        note=note,
        facts=facts(report),
        findings=findings(report, plan),
        not_found=not_found(report),
        not_checked=not_checked(report),
        labels=labels(report),
        lengths=lengths(report),
        samples=[
            (shown["place"], trained_of(shown["tokens"]), fit(shown["tokens"], SAMPLE_LETTERS))
            for shown in report["samples"]
        ],
        files=[
            (file["name"], side_of(file, report), count(file["rows"]), binary_size(file["bytes"]))
            for file in report["files"]
        ],
    )
    path.write_text(page, encoding="utf-8", newline="\n")


def side_of(file: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """Return the split of a file's rows: of training files each that has no file of its own."""
    if file["split"] != "train":
        return SIDES[file["split"]]
    own = {one["split"] for one in report["files"]} - {"train"}
    *first, last = (name for side, name in sides(report).items() if side not in own)
    return f"{', '.join(first)} and {last}" if first else last


def sides(report: Mapping[str, Any]) -> dict[str, str]:
    """Return the sets that have rows: key in the report -> name."""
    return {side: name for side, name in SIDES.items() if report["rows"][side]}


def facts(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the counts of a report.json, each with its name."""
    rows, tokens = report["rows"], report["tokens"]["train"]
    counts = [
        ("training rows", count(rows["train"])),
        ("validation rows", count(rows["validation"]) if rows["validation"] else ""),
        ("held-out rows", count(rows["held_out"])),
        ("dropped rows", count(rows["dropped"]) if rows["dropped"] else ""),
        ("tokens per epoch", count(tokens["all"])),
        ("tokens in the loss", share(tokens["trained"], tokens["all"])),
    ]
    return [(name, value) for name, value in counts if value]


def labels(report: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the picture and the table of the labels, the most frequent first."""
    labels, named = report["labels"], sides(report)
    if not labels:
        return None
    totals = {side: sum(numbers.values()) for side, numbers in labels.items()}
    names = sorted(
        {name for numbers in labels.values() for name in numbers},
        key=lambda name: (-labels["train"].get(name, 0), -labels["held_out"].get(name, 0), name),
    )
    shown = names[:MOST_BARS]
    series = {
        split: {name: labels[side].get(name, 0) for name in shown} for side, split in named.items()
    }
    rows = []
    for name in names:
        numbers = [(labels[side].get(name, 0), totals[side]) for side in named]
        rows.append((name, *(f"{count(n)} ({share(n, of)})" for n, of in numbers)))
    describe = ", ".join(f"{name} {labels['train'].get(name, 0)}" for name in shown)
    left_out = (
        f"The {len(shown)} most frequent of {len(names)} labels." if names[MOST_BARS:] else ""
    )
    return {
        "picture": bars(series, "Rows by label", f"training: {describe}"),
        "left_out": left_out,
        "sides": list(named.values()),
        "rows": rows,
    }


def lengths(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the picture and the table of the lengths."""
    tokens, named = report["tokens"], sides(report)
    drawn, train = tokens["histogram"], tokens["train"]
    marks = {"median": train["median"], "95th percentile": train["p95"]}
    picture = histogram(
        drawn["edges"],
        {split: drawn[side] for side, split in named.items()},
        marks,
        "Rows by length in tokens",
        f"median {train['median']}, 95th percentile {train['p95']}, longest {train['longest']}",
    )
    every = [tokens[side] for side in named]
    rows = [
        ("median", *(count(side["median"]) for side in every)),
        ("95th percentile", *(count(side["p95"]) for side in every)),
        ("longest", *(count(side["longest"]) for side in every)),
        ("tokens per epoch", *(count(side["all"]) for side in every)),
        ("tokens in the loss", *(count(side["trained"]) for side in every)),
        ("share in the loss", *(share(side["trained"], side["all"]) for side in every)),
    ]
    return {"picture": picture, "sides": list(named.values()), "rows": rows}
