"""How bad rows are made: shared by the tables beside it."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

Make = bytes | Callable[[Path], object]

QA = """task: qa
files: {train: [FILE], held_out: 0.25}
turns: [{user: "{question}"}, {assistant: "{answer}"}]
"""
CLASSIFY = """task: classify
files: {train: [FILE], held_out: 0.25}
turns: [{user: "{phrase}"}, {assistant: "{tone}"}]
labels: [joy, fear]
"""
CHAT = "task: chat\nfiles: {train: [FILE], held_out: 0.25}\nmessages: messages\n"
SHAREGPT = """task: chat
files: {train: [FILE], held_out: 0.25}
messages: {column: conversations, role: from, content: value, names: {human: user, gpt: assistant}}
"""
PAIRS = [{"question": f"Why {n}?", "answer": f"So {n}."} for n in ("one", "two", "three")]
TONES = [{"phrase": f"a {n}", "tone": ("joy", "fear")[n % 2]} for n in range(3)]
TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
TALKS = [{"messages": [{**TURNS[0], "content": f"Hi {n}"}, TURNS[1]]} for n in range(3)]
SHARED = [
    {"conversations": [{"from": "human", "value": f"Hi {n}"}, {"from": "gpt", "value": "Yes"}]}
    for n in range(3)
]


GOOD = b"".join(json.dumps(row).encode() + b"\n" for row in PAIRS)


class Case(NamedTuple):
    """One bad thing.

    Attributes:
        name: what is bad.
        file: its name in datasets/.
        make: its bytes, or a function that makes it at the path given.
        says, where, fix: what the message must hold; `where` ends it.
        yaml: dataset.yaml, with FILE for the file's name.
    """

    name: str
    file: str
    make: Make
    says: str
    where: str
    fix: str
    yaml: str = QA


def lines(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def line(name: str, bad: str | bytes, says: str, fix: str = "correct that line") -> Case:
    """Three good lines of JSON, then a bad one."""
    content = bad if isinstance(bad, bytes) else bad.encode()
    return Case(name, "rows.jsonl", lines(PAIRS) + content + b"\n", says, "rows.jsonl:4", fix)


def value(name: str, row: Any, says: str, fix: str, yaml: str = QA, turn: int = 0) -> Case:
    """Three good rows, then a row whose values are bad."""
    good = {QA: PAIRS, CLASSIFY: TONES, CHAT: TALKS, SHAREGPT: SHARED}[yaml]
    where = f"rows.jsonl:4: turn {turn}" if turn else "rows.jsonl:4"
    return Case(name, "rows.jsonl", lines([*good, row]), says, where, fix, yaml)


def whole(name: str, file: str, make: Make, says: str, at: str, fix: str, yaml: str = QA) -> Case:
    """A file that is bad as such; `at` is what follows its name."""
    return Case(name, file, make, says, f"{file}{at}", fix, yaml)


def key(name: str, yaml: str, at: str, says: str, fix: str) -> Case:
    """Good rows under a bad dataset.yaml."""
    return Case(name, "rows.jsonl", lines(PAIRS), says, f"dataset.yaml{at}", fix, yaml)


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def parquet(rows: list[dict[str, Any]], spoil: Callable[[bytes], bytes] = bytes) -> Make:
    """A parquet file of the rows its bytes spoilt in the end."""

    def make(path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        stream = io.BytesIO()
        table = pa.Table.from_pylist(rows) if rows else pa.Table.from_pylist(PAIRS).slice(0, 0)
        pq.write_table(table, stream)
        path.write_bytes(spoil(stream.getvalue()))

    return make


def link(to: str) -> Callable[[Path], object]:
    return lambda path: path.symlink_to(to)


def folder(**files: Make) -> Callable[[Path], object]:
    """A folder; in the names of its files, _ stands for a dot."""

    def make(path: Path) -> None:
        path.mkdir()
        for name, content in files.items():
            put(path / name.replace("_", "."), content)

    return make


def put(path: Path, content: Make) -> None:
    if callable(content):
        content(path)
    else:
        path.write_bytes(content)


def unreadable(path: Path) -> None:
    path.write_bytes(lines(PAIRS))
    path.chmod(0)


def document(name: str, text: str, says: str, at: str, fix: str) -> Case:
    """A .json file; @ stands for a good row."""
    content = text.replace("@", json.dumps(PAIRS[0])).encode("latin-1")
    return whole(name, "rows.json", content, says, at, fix)


def table(name: str, text: str, says: str, at: str, fix: str, yaml: str = QA) -> Case:
    """A .csv file, in latin-1."""
    return whole(name, "rows.csv", text.encode("latin-1"), says, at, fix, yaml)
