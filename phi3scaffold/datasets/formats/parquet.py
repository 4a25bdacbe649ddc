"""Rows of parquet files, by batches; numbers that stand for labels become the labels."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from phi3scaffold.datasets.formats.byte_stream import Meter, is_gz, open_bytes, shown
from phi3scaffold.datasets.formats.format import Format, NewCells, Rows, free_names
from phi3scaffold.project.errors import ScaffoldError

BATCH = 1024  # rows


def rows(file: Path, meter: Meter) -> Rows:
    """Read the rows of a parquet file, numbered from 1."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with tempfile.TemporaryFile() as unpacked:
        if is_gz(file):
            with open_bytes(file, Meter()) as packed:
                shutil.copyfileobj(packed, unpacked)
        number, size = 0, file.stat().st_size
        try:
            with pq.ParquetFile(unpacked if is_gz(file) else file) as table:
                names = labels(table.schema_arrow)
                for batch in table.iter_batches(BATCH):
                    for values in batch.to_pylist():
                        number += 1
                        for column, of in names.items():
                            values[column] = _label(values[column], of)
                        yield number, values
                    meter.done = size * number // max(1, table.metadata.num_rows)
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno:
                raise  # the disk's, not the file's
            raise ScaffoldError(
                f"Not a valid parquet file: {str(error).splitlines()[0].rstrip('.')}.",
                where=f"{shown(file)}:{number + 1}" if number else shown(file),
                fix="copy, download or write it again",
            ) from None


def add_columns(file: Path, target: Path, columns: Sequence[str], cells: NewCells) -> None:
    """Write the file's table, its schema and metadata, with more columns at its end."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open_bytes(file, Meter()) as stream:
        table = pq.read_table(pa.BufferReader(stream.read()))
    rows = [cells(number) for number in range(1, table.num_rows + 1)]
    for place, name in enumerate(free_names(columns, table.column_names)):
        table = table.append_column(name, pa.array([row[place] for row in rows]))
    pq.write_table(table, target)


def labels(schema: Any) -> dict[str, list[str]]:
    """Return the label names of columns in which the hub's `datasets` wrote numbers."""
    try:
        details = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = details["info"]["features"]
        return {
            column: list(feature["names"])
            for column, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def _label(value: Any, names: list[str]) -> Any:
    """-1 is how `datasets` writes that a row has no label."""
    if not isinstance(value, int):
        return value
    return names[value] if 0 <= value < len(names) else None


PARQUET = Format((".parquet",), rows, add_columns=add_columns)
