"""The rows have the columns, turns and labels that datasets/dataset.yaml names.

The first rows of each file (2000 rows, 50 files) become conversations, as in `phi3scaffold data`,
which converts all of them. A label that no row has is named, too, where all rows were read. Rows
on the hub are not fetched for this.

To fix it: the message names the row, or the key of dataset.yaml. `phi3scaffold data` checks all
rows, their lengths, duplicates and likely secrets.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from phi3scaffold.checks.lint_context import DATASET, LintContext
from phi3scaffold.datasets.conversations import Conversation, conversation
from phi3scaffold.datasets.reader import read_rows
from phi3scaffold.datasets.spec import DatasetSpec, load_spec
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.findings import Finding, Skip

ID = "L07-rows"
FIRST = 2000  # rows of a file
FILES = 50


def check(context: LintContext) -> Iterator[Finding]:
    try:
        spec = load_spec(context.root / DATASET)
    except ScaffoldError:
        raise Skip("dataset.yaml cannot be understood") from None
    try:
        files = spec.files
    except ScaffoldError as error:
        yield context.finding(ID, error)
        return
    if not files:
        raise Skip("the rows lie on the hub")
    seen: set[str] = set()
    whole = len(files) <= FILES and not any(isinstance(source, str) for source in spec.train)
    for file in files[:FILES]:
        try:
            whole &= _look(file, spec, seen)
        except ScaffoldError as error:
            yield context.finding(ID, error)
            whole = False
    unused = [label for label in spec.labels if label not in seen]
    if whole and unused:
        document = context.document(DATASET)
        place = document.at("labels", spec.labels.index(unused[0])) if document else DATASET
        what = f"No row has the label {', nor '.join(map(repr, unused))}."
        fix = "take it out, or add rows that have it: a model learns only what it sees"
        yield Finding(ID, "warning", what, place, fix)


def _look(file: Path, spec: DatasetSpec, seen: set[str]) -> bool:
    """Look at the first rows; whether those were all."""
    count = 0
    for row in islice(read_rows([file]), FIRST + 1):
        count += 1
        parsed = conversation(row, spec)
        if isinstance(parsed, Conversation):
            seen.add(parsed.answer)
    return count <= FIRST
