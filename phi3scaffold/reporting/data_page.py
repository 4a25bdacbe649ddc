"""report.html: what there is to know about the rows before a model is trained on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from phi3scaffold import __version__
from phi3scaffold.datasets.findings import findings, fit, not_found, trained_of
from phi3scaffold.project.formatting import binary_size, count, share
from phi3scaffold.reporting.page_parts import render
from phi3scaffold.reporting.page_parts.figures import bars, histogram

SIDES = {"train": "to train", "held_out": "held out"}
TASKS = {
    "classify": "A text becomes one of a few labels",
    "qa": "A question becomes an answer",
    "chat": "Conversations",
}
MOST_BARS = 24  # labels in the picture; the table has them all
SAMPLE_LETTERS = 6000


def write(report: dict[str, Any], path: Path, note: str = "") -> None:
    """Write the page of a report.json to `path`; the same report gives the same bytes.

    Args:
        report: what report.json holds.
        path: the page.
        note: one sentence that has to stand at the top.
    """
    page = render(
        "data.html.j2",
        title="The rows before training",
        version=__version__,
        report=report,
        task=TASKS[report["task"]],
        note=note,
        facts=facts(report),
        findings=findings(report),
        not_found=not_found(report),
        labels=labels(report["labels"]),
        lengths=lengths(report["tokens"]),
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
    """What the rows of a file are for; where no file is held out, some rows of each may be."""
    own = any(one["split"] == "held_out" for one in report["files"])
    return SIDES[file["split"]] if own else " and ".join(SIDES.values())


def facts(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(what, how many) of a report.json."""
    rows, tokens = report["rows"], report["tokens"]["train"]
    told = [
        ("rows to train", count(rows["train"])),
        ("rows held out", count(rows["held_out"])),
        ("rows left out", count(rows["dropped"]) if rows["dropped"] else ""),
        ("tokens in a pass", count(tokens["all"])),
        ("of them trained", share(tokens["trained"], tokens["all"])),
    ]
    return [(name, value) for name, value in told if value]


def labels(labels: dict[str, dict[str, int]] | None) -> dict[str, Any] | None:
    """The picture and the table of the labels, the most frequent first."""
    if not labels:
        return None
    totals = {side: sum(numbers.values()) for side, numbers in labels.items()}
    names = sorted(
        {name for numbers in labels.values() for name in numbers},
        key=lambda name: (-labels["train"].get(name, 0), -labels["held_out"].get(name, 0), name),
    )
    shown = names[:MOST_BARS]
    series = {
        told: {name: labels[side].get(name, 0) for name in shown} for side, told in SIDES.items()
    }
    rows = []
    for name in names:
        numbers = [(labels[side].get(name, 0), totals[side]) for side in SIDES]
        rows.append((name, *(f"{count(n)} ({share(n, of)})" for n, of in numbers)))
    describe = ", ".join(f"{name} {labels['train'].get(name, 0)}" for name in shown)
    left_out = (
        f"The {len(shown)} most frequent of {len(names)} labels." if names[MOST_BARS:] else ""
    )
    return {
        "picture": bars(series, "Rows by label", f"to train: {describe}"),
        "left_out": left_out,
        "sides": list(SIDES.values()),
        "rows": rows,
    }


def lengths(tokens: dict[str, Any]) -> dict[str, Any]:
    """The picture and the table of the lengths."""
    drawn, train = tokens["histogram"], tokens["train"]
    marks = {"median": train["median"], "95% up to": train["p95"]}
    picture = histogram(
        drawn["edges"],
        {told: drawn[side] for side, told in SIDES.items()},
        marks,
        "Rows by length in tokens",
        f"median {train['median']}, 95% up to {train['p95']}, longest {train['longest']}",
    )
    both = [tokens[side] for side in SIDES]
    rows = [
        ("median", *(count(side["median"]) for side in both)),
        ("95% up to", *(count(side["p95"]) for side in both)),
        ("longest", *(count(side["longest"]) for side in both)),
        ("all tokens", *(count(side["all"]) for side in both)),
        ("of them trained", *(count(side["trained"]) for side in both)),
        ("in percent", *(share(side["trained"], side["all"]) for side in both)),
    ]
    return {"picture": picture, "sides": list(SIDES.values()), "rows": rows}
