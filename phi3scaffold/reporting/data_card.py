"""DATA_CARD.md: the dataset in counts, in the format of the Hugging Face hub; none of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from phi3scaffold import __version__
from phi3scaffold.datasets.set_findings import why_no_validation
from phi3scaffold.reporting import cards
from phi3scaffold.reporting.data_page import TASKS, side_of, sides

CATEGORIES = {
    "classify": "text-classification",
    "qa": "question-answering",
    "chat": "text-generation",
}
# The hub's names of sizes, by the number of rows.
SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"),
         (10**7, "1M<n<10M"))  # fmt: skip
LARGEST = "n>10M"


def write(report: Mapping[str, Any], path: Path) -> None:
    """Write the card of a report.json to `path`; the same report gives the same bytes."""
    from huggingface_hub import DatasetCard, DatasetCardData

    named = sides(report)
    rows = sum(report["rows"][side] for side in named)
    own = {"train", *(file["split"] for file in report["files"])}
    data = DatasetCardData(
        task_categories=[CATEGORIES[report["task"]]],
        size_categories=[next((name for below, name in SIZES if rows < below), LARGEST)],
        tags=["phi3scaffold"],
    )
    lacking = "" if "validation" in named else why_no_validation(report)
    names = {name for side in (report["labels"] or {}).values() for name in side}
    cards.write(
        DatasetCard,
        data,
        "data_card.md.j2",
        path,
        report=report,
        version=__version__,
        task=TASKS[report["task"]],
        sides=list(named.items()),
        files=[(file, side_of(file, report)) for file in report["files"]],
        drawn=[name for side, name in named.items() if side not in own],
        own=[name for side, name in named.items() if side in own],
        no_validation=lacking,
        labels=sorted(names),
    )
