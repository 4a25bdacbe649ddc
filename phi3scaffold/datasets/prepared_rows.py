"""Prepared rows on the disk: Arrow files, mapped into memory, never read whole."""

from __future__ import annotations

import bisect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3scaffold.datasets.conversations import Conversation
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

TRAIN = "train"
VALIDATION = "validation"
HELD_OUT = "held-out"
EXTRAS = ("shown", "tools", "rendered_answer")  # of a conversation, beside messages and values
SPLITS = (TRAIN, VALIDATION, HELD_OUT)


def file_of(split: str) -> str:
    return f"{split}.arrow"


def has_validation(folder: Path) -> bool:
    """Return whether a data folder has a validation set."""
    return (folder / file_of(VALIDATION)).is_file()


def key_of(split: str) -> str:
    """Return how dataset.yaml and report.json call a split."""
    return split.replace("-", "_")


def schema() -> pa.Schema:
    """Return the columns of a prepared file, one row a conversation."""
    import pyarrow as pa

    ids = pa.list_(pa.int32())
    return pa.schema(
        [
            pa.field("place", pa.string()),  # file:line
            pa.field("conversation", pa.string()),  # JSON: see pack_conversation
            pa.field("input_ids", ids),
            pa.field("labels", ids),  # of the same length; IGNORE where nothing is trained
        ]
    )


def spread(rows: int, most: int | None) -> Sequence[int]:
    """At most `most` of so many rows, evenly over all of them: a file may be sorted by label."""
    if most is None or most >= rows:
        return range(rows)
    return [index * rows // most for index in range(most)]


def pack_conversation(row: Conversation) -> str:
    """Write a conversation as JSON, with those of `EXTRAS` that it has."""
    record: dict[str, Any] = {"messages": row.messages, "values": row.values}
    extras = {name: getattr(row, name) for name in EXTRAS}
    return json.dumps(record | {k: v for k, v in extras.items() if v}, ensure_ascii=False)


class Prepared(Sequence[Any]):
    """One of the three sets, as `prepare` wrote it.

    ``prepared[i]`` is ``(input_ids, labels)``: two int32 arrays of the row's length, views of the
    mapped file that cannot be written to.

    Args:
        folder: the published data folder.
        split: one of `SPLITS`; a data folder may have no validation set (see `has_validation`).

    Attributes:
        folder, split: as given.
        lengths: int32, the tokens of each row.

    Raises:
        ScaffoldError: it is not there.
    """

    def __init__(self, folder: Path, split: str) -> None:
        import numpy as np
        import pyarrow as pa

        self.folder, self.split = folder, split
        path = folder / file_of(split)
        try:
            reader = pa.ipc.open_file(pa.memory_map(str(path)))
        except (FileNotFoundError, pa.ArrowInvalid):
            raise ScaffoldError(
                "The prepared rows are missing.",
                where=path,
                fix="phi3scaffold data",
                exit_code=FAILED_RUN,
            ) from None
        self._batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        self._starts = [0]
        for batch in self._batches:
            self._starts.append(self._starts[-1] + batch.num_rows)
        self._ids = [_flat(batch.column("input_ids")) for batch in self._batches]
        self._labels = [_flat(batch.column("labels")) for batch in self._batches]
        sizes = [np.diff(offsets) for offsets, _ in self._ids]
        self.lengths: np.ndarray = np.concatenate([np.empty(0, np.int32), *sizes])

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: Any) -> Any:
        batch, row = self._find(index)
        return _cut(self._ids[batch], row), _cut(self._labels[batch], row)

    def place(self, index: int) -> str:
        batch, row = self._find(index)
        return str(self._batches[batch].column("place")[row])

    def conversation(self, index: int) -> Conversation:
        batch, row = self._find(index)
        record = json.loads(str(self._batches[batch].column("conversation")[row]))
        return Conversation(
            self.place(index),
            record["messages"],
            record["values"],
            shown=tuple(record.get("shown", ())),
            tools=tuple(record.get("tools", ())),
            rendered_answer=record.get("rendered_answer", ""),
        )

    def _find(self, index: int) -> tuple[int, int]:
        """Return the batch, and the row in it."""
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(index)
        batch = bisect.bisect_right(self._starts, position) - 1
        return batch, position - self._starts[batch]


def _flat(column: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return a list column as (offsets, values), without a copy."""
    return column.offsets.to_numpy(), column.values.to_numpy()


def _cut(flat: tuple[np.ndarray, np.ndarray], row: int) -> np.ndarray:
    offsets, values = flat
    return values[offsets[row] : offsets[row + 1]]
