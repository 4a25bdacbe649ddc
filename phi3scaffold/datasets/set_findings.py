"""What a report says of the three sets: what validates, and which rows may stand in two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phi3scaffold.datasets.data_finding import DataFinding
from phi3scaffold.datasets.split import LEAST_ROWS
from phi3scaffold.project.formatting import count

EARLIER = "earlier"  # the report was written before there were validation sets
OWN = "in files of their own"
TAKEN = "taken from the training rows (files.validation in dataset.yaml)"
FIXED = "training runs for a fixed number of epochs, and held-out rows choose nothing"


def validation_set(report: Mapping[str, Any]) -> list[DataFinding]:
    """Say what validates, and what is left out of a run where nothing does."""
    rows = report["rows"]
    if rows["validation"]:
        own = report["validation"] == "files"
        message = f"{count(rows['validation'], 'row')} {OWN if own else TAKEN}"
    else:
        message = f"none: {why_no_validation(report)}; {FIXED}"
    return [DataFinding("validation", message)]


def why_no_validation(report: Mapping[str, Any]) -> str:
    """Return why there is no validation set, where there is none."""
    if report["validation"] == EARLIER:
        return "the rows were prepared by an earlier version"
    if report["validation"] == "none":
        return "files.validation is null"
    rows = report["rows"]
    own = any(file.get("split") == "held_out" for file in report["files"])
    if rows["train"] + (0 if own else rows["held_out"]) < LEAST_ROWS:
        return f"fewer than {LEAST_ROWS} rows"
    return "too few different prompts"


def later_sets(report: Mapping[str, Any]) -> tuple[str, str]:
    """Return which rows may stand in another set, too, and in which."""
    if report["validation"] == "files":
        return "validation or held-out", "another set"
    return "held-out", "train or validation" if report["rows"]["validation"] else "train"


def complete(report: dict[str, Any]) -> dict[str, Any]:
    """Complete a report.json of before 0.3.0, which had no validation set."""
    if "validation" in report:
        return report
    tokens = report["tokens"]
    drawn = tokens["histogram"]
    empty = dict.fromkeys(tokens["train"], 0)
    histogram = {**drawn, "validation": [0] * len(drawn["train"])}
    return report | {
        "validation": EARLIER,
        "rows": {**report["rows"], "validation": 0},
        "labels": report["labels"] and {**report["labels"], "validation": {}},
        "tokens": {**tokens, "validation": empty, "histogram": histogram},
    }
