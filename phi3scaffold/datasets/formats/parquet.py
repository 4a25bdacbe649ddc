"""Rows of parquet files, by batches; numbers that stand for labels become the labels."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from phi3scaffold.datasets.formats.byte_stream import (
    Meter,
    check_ratio,
    is_gz,
    open_bytes,
    shown,
)
from phi3scaffold.datasets.formats.format import Format, NewCells, RowNumber, Rows, free_names
from phi3scaffold.datasets.formats.text import LARGEST, too_large
from phi3scaffold.project.errors import ScaffoldError

BATCH = 16  # rows, each of at most LARGEST bytes; with a thousand reading is hardly quicker


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
                for batch in _batches(table, file):
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

    with tempfile.TemporaryFile() as unpacked:
        if is_gz(file):
            with open_bytes(file, Meter()) as packed:
                shutil.copyfileobj(packed, unpacked)
        with pq.ParquetFile(unpacked if is_gz(file) else file) as table:
            rows = [cells(number) for number in range(1, table.metadata.num_rows + 1)]
            schema, added = table.schema_arrow, []
            for place, name in enumerate(free_names(columns, schema.names)):
                added.append(pa.array([row[place] for row in rows]))
                schema = schema.append(pa.field(name, added[-1].type))
            done = 0
            with pq.ParquetWriter(target, schema) as writer:
                for batch in _batches(table, file):
                    new = [column.slice(done, batch.num_rows) for column in added]
                    done += batch.num_rows
                    writer.write_batch(pa.record_batch([*batch.columns, *new], schema=schema))


def _batches(table: Any, file: Path) -> Any:
    """Read a table in parts of few bytes, whatever its rows unpack to.

    A dictionary may hold one text of megabytes for thousands of rows, which are then as large each.

    Raises:
        ScaffoldError: a row is larger than any text's may be, or all are mostly the same again.
    """
    groups = [table.metadata.row_group(number) for number in range(table.num_row_groups)]
    chunks = [group.column(place) for group in groups for place in range(group.num_columns)]
    for chunk in chunks:
        check_ratio(file, chunk.total_uncompressed_size, chunk.total_compressed_size)
    done = 0
    for batch in table.iter_batches(BATCH):
        if batch.nbytes > LARGEST * max(1, batch.num_rows):
            raise too_large(file, RowNumber(done + 1))
        done += batch.num_rows
        yield batch


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
