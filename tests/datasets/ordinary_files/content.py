"""Texts that are all different, and files of them in the ways in which people keep rows."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
Put = Callable[[Path], Path]  # writes the file into a folder; returns what --data names

# Of different prime lengths, so that no two of thousands of combinations are the same.
WHO = (
    "the night porter", "my neighbour", "a tired courier", "the new tenant", "our accountant",
    "a visiting surgeon", "the lighthouse crew", "an old beekeeper", "the choir", "her landlord",
    "a lost cyclist", "the ferry captain", "their youngest cousin", "a retired judge",
    "the museum guide", "every apprentice", "the baker's twin", "a careful thief", "our goalkeeper",
    "the town archivist", "a sleepy violinist", "the border guard", "some geologist",
)  # fmt: skip
DID = (
    "mended", "misplaced", "painted", "sold", "borrowed", "photographed", "measured", "returned",
    "weighed", "inherited", "wrapped", "smuggled", "polished", "auctioned", "catalogued", "buried",
    "insured", "dismantled", "carried",
)  # fmt: skip
WHAT = (
    "the copper kettle", "a crate of oranges", "two broken oars", "the parish ledger",
    "an empty birdcage", "the spare tyre", "a velvet curtain", "seven postage stamps",
    "the rusty anchor", "a jar of buttons", "the garden gate", "an unsigned letter",
    "the brass telescope", "a wooden flute", "the winter blankets", "a map of the canals",
    "the church bell",
)  # fmt: skip
WHERE = (
    "behind the dairy", "at low tide", "before breakfast", "in the attic", "under the viaduct",
    "during the strike", "beside the orchard", "on the last train", "after the flood",
    "near the quarry", "without telling anyone", "for half its price", "in heavy snow",
)  # fmt: skip


def phrase(number: int, salt: int = 0) -> str:
    """Return a text that no other number has; another `salt` gives others still."""
    n = number * 29 + salt * 101
    parts = (WHO[n % 23], DID[(n * 7 + number) % 19], WHAT[(n * 5 + salt) % 17], WHERE[n % 13])
    return " ".join(parts)


def sentence(number: int, salt: int = 0) -> str:
    text = phrase(number, salt)
    return f"{text[0].upper()}{text[1:]}."


def question(number: int, salt: int = 0) -> str:
    return f"Is it true that {phrase(number, salt)}?"


def jsonl(rows: Sequence[Row], name: str = "rows.jsonl", bom: bool = False) -> Put:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return written(name, text.encode("utf-8-sig" if bom else "utf-8"))


def array(rows: Any, name: str = "rows.json", indent: int | None = 2) -> Put:
    return written(name, json.dumps(rows, ensure_ascii=False, indent=indent).encode())


def table(
    rows: Sequence[Row],
    name: str = "rows.csv",
    delimiter: str = ",",
    encoding: str = "utf-8",
    header: bool = True,
    before: str = "",
) -> Put:
    """A CSV with all columns of the first row."""
    lines = [list(row.values()) for row in rows]
    return cells([list(rows[0]), *lines] if header else lines, name, delimiter, encoding, before)


def cells(
    lines: Sequence[Sequence[Any]],
    name: str = "rows.csv",
    delimiter: str = ",",
    encoding: str = "utf-8",
    before: str = "",
) -> Put:
    """A CSV of these lines, where a column's name may stand twice."""
    text = io.StringIO()
    text.write(before)
    csv.writer(text, delimiter=delimiter).writerows(lines)
    return written(name, text.getvalue().encode(encoding))


def parquet(rows: Sequence[Row], metadata: Mapping[str, str] | None = None) -> Put:
    """A parquet file; `metadata` is what `datasets` keeps about the columns' features."""

    def put(folder: Path) -> Path:
        import pyarrow as pa
        import pyarrow.parquet as pq

        made = pa.Table.from_pylist([dict(row) for row in rows])
        pq.write_table(made.replace_schema_metadata(metadata), folder / "rows.parquet")
        return folder / "rows.parquet"

    return put


def workbook(sheets: Mapping[str, Sequence[Row]]) -> Put:
    """An Excel file, a header line on each sheet."""

    def put(folder: Path) -> Path:
        import openpyxl

        book = openpyxl.Workbook()
        book.remove(book.active)
        for title, rows in sheets.items():
            sheet = book.create_sheet(title)
            sheet.append(list(rows[0]))
            for row in rows:
                sheet.append(list(row.values()))
        book.save(folder / "rows.xlsx")
        return folder / "rows.xlsx"

    return put


def written(name: str, content: bytes) -> Put:
    def put(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return put
