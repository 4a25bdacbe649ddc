"""Small files that unpack to gigabytes: they are refused, or read, in little memory and time."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

MIB = 1 << 20
MEMORY = 1000 * MIB  # of the process that reads; most of it are the libraries
# Reads a file, and prints how many rows it has or why it is refused, and the memory that it took.
READ = """
import sys
from pathlib import Path
from phi3scaffold.datasets.reader import read_rows
from phi3scaffold.pipeline.environment import peak_bytes
from phi3scaffold.project.errors import ScaffoldError
try:
    print(sum(1 for _ in read_rows([Path(sys.argv[1])])), "rows")
except ScaffoldError as error:
    print(error.what)
print(peak_bytes())
"""


def read(file: Path) -> str:
    """What reading the file says; its memory is bounded, and so is its time."""
    words = [sys.executable, "-c", READ, str(file)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=90, check=True)
    said, memory = done.stdout.splitlines()
    assert int(memory) < MEMORY, (said, memory)
    return said


def packed(file: Path, part: bytes, times: int, begin: bytes = b"", end: bytes = b"") -> Path:
    with gzip.open(file, "wb", compresslevel=6) as stream:
        stream.write(begin)
        for _ in range(times):
            stream.write(part)
        stream.write(end)
    return file


def table(file: Path, texts: list[str], rows: int) -> Path:
    """A parquet file that says each text in thousands of rows, and holds it once."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    indices = pa.array([number % len(texts) for number in range(rows)], pa.int32())
    column = pa.DictionaryArray.from_arrays(indices, pa.array(texts))
    pq.write_table(pa.table({"text": column}), file, compression="zstd", store_schema=False)
    return file


@pytest.mark.skipif(sys.platform == "win32", reason="the memory is measured as Unix does")
@pytest.mark.parametrize("name", ["rows.json.gz", "rows.jsonl.gz", "rows.csv.gz"])
def test_a_gz_file_of_blanks_is_refused(name: str, tmp_path: Path) -> None:
    file = packed(tmp_path / name, b" " * MIB, 300, b'[{"text": "a"}', b"]")
    said = read(file)
    assert "unpacks to more than 500 times its size" in said or "larger than 16 MiB" in said


@pytest.mark.skipif(sys.platform == "win32", reason="the memory is measured as Unix does")
def test_a_parquet_file_of_one_text_is_read_in_little_memory(tmp_path: Path) -> None:
    file = table(tmp_path / "rows.parquet", ["a" * 1_000_000], 4000)
    assert file.stat().st_size < 2000
    assert read(file) == "4000 rows"


@pytest.mark.skipif(sys.platform == "win32", reason="the memory is measured as Unix does")
def test_a_row_of_parquet_is_no_larger_than_one_of_text(tmp_path: Path) -> None:
    file = table(tmp_path / "rows.parquet", ["a" * 20 * MIB], 30)
    assert read(file) == "The row is larger than 16 MiB."


def test_ordinary_rows_that_are_packed_well_are_read(tmp_path: Path) -> None:
    file = packed(tmp_path / "rows.jsonl.gz", b'{"text": "the same", "label": "a"}\n', 20_000)
    assert read(file) == "20000 rows"
