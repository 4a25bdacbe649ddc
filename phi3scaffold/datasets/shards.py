"""A thousand rows at a time: rendered, hashed, looked through for secrets, written to a file.

A shard is finished or not there, so a killed run begins where it stopped.
"""

from __future__ import annotations

import bisect
import itertools
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from phi3scaffold.datasets import private_data, signatures
from phi3scaffold.datasets.conversations import (
    Conversation,
    DroppedRow,
    conversation,
    turn_text,
)
from phi3scaffold.datasets.formats.byte_stream import shown
from phi3scaffold.datasets.frames import Frames
from phi3scaffold.datasets.prepared_rows import pack_conversation, schema
from phi3scaffold.datasets.reader import Row
from phi3scaffold.datasets.readings import count_notes
from phi3scaffold.datasets.rendering import IGNORE, Rendered, Renderer
from phi3scaffold.datasets.row_index import COLUMNS
from phi3scaffold.datasets.spec import DatasetSpec
from phi3scaffold.datasets.unused import unused_parts
from phi3scaffold.datasets.wording import answer_wording, hash_text, normalised
from phi3scaffold.pipeline.environment import peak_bytes
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import whole_file

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

ROWS = 1000  # of a shard at most
LETTERS = 8 << 20  # of a shard at most, unless a single row has more
OPEN = 64  # shards that are kept mapped
FACTS = b"facts"  # the key of a shard's metadata for what is known of its rows together


class Batch(NamedTuple):
    """Consecutive rows that become one shard; `number` counts shards from 0."""

    number: int
    rows: list[Row]


def batches(rows: Iterator[Row], first: int) -> Iterator[Batch]:
    """Yield the rows in batches, numbered from `first`, the same however often they are read.

    Raises:
        ScaffoldError: what reading a row raises; the rows before it come out first, since there
            may be something wrong with them too.
    """
    numbers = itertools.count(first)
    taken: list[Row] = []
    letters = 0
    failed: ScaffoldError | None = None
    try:
        for row in rows:
            taken.append(row)
            letters += _letters(row.values)
            if len(taken) == ROWS or letters >= LETTERS:
                yield Batch(next(numbers), taken)
                taken, letters = [], 0
    except ScaffoldError as error:
        failed = error
    if taken:
        yield Batch(next(numbers), taken)
    if failed is not None:
        raise failed


def _letters(value: Any, depth: int = 4) -> int:
    """About how large a row is; conversations are lists of objects, and deeper nobody looks."""
    if isinstance(value, str):
        return len(value)
    if depth and isinstance(value, (dict, list)):
        parts = value.values() if isinstance(value, dict) else value
        return sum(_letters(part, depth - 1) for part in parts)
    return 8


class Maker:
    """Makes shards; one in each process that works on them.

    Args:
        spec: what the rows are.
        tokenizer: the folder of the tokenizer's files.
        folder: where the shards go.
    """

    def __init__(self, spec: DatasetSpec, tokenizer: Path, folder: Path) -> None:
        self._spec = spec
        self._shards = Shards(folder)
        self._renderer = Renderer(tokenizer, spec.max_tokens, spec.long_rows, spec.user)

    def make(self, batch: Batch) -> tuple[int, int]:
        """Write the batch's shard, unless it is there.

        Returns:
            This process, and the most memory it ever had in bytes.

        Raises:
            ScaffoldError: the first row that is wrong.
        """
        if not self._shards.is_finished(batch):
            with whole_file(self._shards.path(batch.number)) as part:
                _write(self._table(batch.rows), part)
        return os.getpid(), peak_bytes()

    def read_prompts(
        self, number: int, rows: Sequence[int], answers: Sequence[int], frames: Frames
    ) -> signatures.Prompts:
        """Return `signatures.read` of the prompts of some rows of a shard."""
        pairs = (self._shards.pair(number, row) for row in rows)
        return signatures.read(pairs, answers, frames)

    def _table(self, rows: Sequence[Row]) -> pa.Table:
        import pyarrow as pa

        pairs = list(self._rendered(rows))
        entries = list(map(self._entry, rows, pairs))
        columns = [_array([e[field.name] for e in entries], field.type) for field in _schema()]
        names = dict.fromkeys(itertools.chain.from_iterable(row.values for row in rows))
        facts = {
            "columns": [str(name) for name in names],
            "unused": unused_parts(rows, self._spec).counts(),
            "spellings": _spellings(one for one, _ in pairs if one is not None),
            "notes": count_notes(one.conversation for _, one in pairs if isinstance(one, Rendered)),
        }
        schema = _schema().with_metadata({FACTS: json.dumps(facts)})
        return pa.Table.from_arrays(columns, schema=schema)

    def _rendered(self, rows: Sequence[Row]) -> Iterator[tuple[Conversation | None, Any]]:
        """Yield for each row its conversation and its rendering, or None and why it is dropped.

        Raises:
            ScaffoldError: the first row that is wrong.
        """
        results: list[Conversation | DroppedRow] = []
        failed: ScaffoldError | None = None
        for row in rows:
            try:
                one = conversation(row, self._spec)
                if isinstance(one, Conversation):
                    one = self._renderer.learnable(one)
                results.append(one)
            except ScaffoldError as error:
                failed = error
                break
        rendered = iter(self._render([row for row in results if isinstance(row, Conversation)]))
        if failed is not None:
            raise failed
        for one in results:
            yield (one, next(rendered)) if isinstance(one, Conversation) else (None, one)

    def _render(self, rows: list[Conversation]) -> list[Rendered | DroppedRow]:
        try:
            return self._renderer.render(rows)
        except ScaffoldError:
            for row in rows:  # a batch is checked for one thing after the other: find the first row
                self._renderer.render([row])
            raise

    def _entry(self, row: Row, pair: tuple[Conversation | None, Any]) -> dict[str, Any]:
        record, rendered = pair
        file = name_of(row.file, self._spec.path)
        entry = _nothing() | {"file": file, "line": row.line, "place": f"{file}:{row.line}"}
        if record is None or isinstance(rendered, DroppedRow):
            return entry | {"reason": rendered.reason, "too_long": record is not None}
        learned = set(record.learned)
        texts = list(map(turn_text, record.messages))
        tools = [json.dumps(tool, ensure_ascii=False) for tool in record.tools]
        prompts = [text for number, text in enumerate(texts) if number not in learned] + tools
        answers = [text for number, text in enumerate(texts) if number in learned]
        return entry | {
            "prompt": _hash(prompts),
            "whole": _hash(texts + tools),
            "answer": _hash(answer_wording(answers, prompts)),
            "label": record.answer if self._spec.task == "classify" else "",
            "tokens": len(rendered.input_ids),
            "trained": len(rendered.labels) - rendered.labels.count(IGNORE),
            "truncated": rendered.truncated,
            "private": "\n".join(sorted(private_data.find("\n".join((*prompts, *answers))))),
            "conversation": pack_conversation(rendered.conversation),
            "input_ids": rendered.input_ids,
            "labels": rendered.labels,
        }


def _spellings(rows: Iterable[Conversation]) -> dict[str, Counter[str]]:
    """Return label -> how rows write it otherwise -> how many do."""
    found: dict[str, Counter[str]] = {}
    for row in rows:
        if row.spelling:
            found.setdefault(row.answer, Counter())[row.spelling] += 1
    return found


class Shards:
    """The finished shards of a folder.

    Attributes:
        starts: the number of the first row of each shard that was added, and of what comes next.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open = lru_cache(OPEN)(self._map)
        self.starts = [0]

    def close(self) -> None:
        """Let go of the files: Windows removes none that is mapped."""
        self._open.cache_clear()

    def add(self, rows: int) -> int:
        """Register the next shard with its number of rows; return the number of its first row."""
        self.starts.append(self.starts[-1] + rows)
        return self.starts[-2]

    def find(self, row: int) -> tuple[int, int]:
        """Return the shard that a row is in, and its place there."""
        number = bisect.bisect_right(self.starts, row) - 1
        return number, row - self.starts[number]

    def path(self, number: int) -> Path:
        return self._folder / f"{number:06}.arrow"

    def is_finished(self, batch: Batch) -> bool:
        import pyarrow as pa

        try:
            return self.read(batch.number, ["line"]).num_rows == len(batch.rows)
        except (FileNotFoundError, pa.ArrowInvalid):
            return False

    def read(self, number: int, columns: Sequence[str]) -> pa.Table:
        """Read some columns of a shard, mapped; read nothing of the others."""
        import pyarrow as pa

        fields = [_schema().get_field_index(name) for name in columns]
        options = pa.ipc.IpcReadOptions(included_fields=fields)
        with pa.memory_map(str(self.path(number))) as source:
            return pa.ipc.open_file(source, options=options).read_all()

    @staticmethod
    def facts(table: pa.Table) -> dict[str, Any]:
        """Return what a shard's table says of its rows together, as `Maker` wrote it."""
        return dict(json.loads(table.schema.metadata[FACTS]))

    def record(self, number: int, row: int) -> dict[str, Any]:
        """Return a row's conversation: ``{"messages", "values"}``."""
        return dict(json.loads(str(self._open(number)[row])))

    def prompt(self, number: int, row: int) -> str:
        """Return the user's own words in a row: the columns' texts without the turn around them."""
        record = self.record(number, row)
        prompts = [turn["content"] for turn in record["messages"] if turn["role"] == "user"]
        return "\n".join(record["values"].values() or prompts)

    def pair(self, number: int, row: int) -> tuple[str, str]:
        """Return a row's `prompt` and `answer`."""
        return self.prompt(number, row), self.answer(number, row)

    def answer(self, number: int, row: int) -> str:
        record = self.record(number, row)
        return str(record.get("rendered_answer") or record["messages"][-1]["content"])

    def tokens(self, number: int, row: int) -> tuple[list[int], list[int]]:
        """Return a row's input ids and labels."""
        table = self.read(number, ["input_ids", "labels"]).slice(row, 1)
        return table.column(0)[0].as_py(), table.column(1)[0].as_py()

    def _map(self, number: int) -> pa.ChunkedArray:
        return self.read(number, ["conversation"]).column("conversation")


@cache
def _schema() -> pa.Schema:
    """Return the columns of a shard; the last ones are published."""
    import pyarrow as pa

    kinds: dict[str, Any] = dict.fromkeys(COLUMNS, pa.string())
    kinds |= dict.fromkeys(("line", "prompt", "whole", "answer"), pa.int64())
    kinds |= dict.fromkeys(("tokens", "trained", "truncated", "too_long"), pa.int32())
    return pa.schema([*map(pa.field, kinds, kinds.values()), *schema()])


@cache
def _nothing() -> dict[str, Any]:
    """Return a row of a shard with nothing in it."""
    import pyarrow as pa

    empty = {pa.string(): "", pa.int64(): 0, pa.int32(): 0, pa.list_(pa.int32()): []}
    return {field.name: empty[field.type] for field in _schema()}


def mask(which: np.ndarray) -> pa.Array:
    """Return booleans for `pa.Table.filter`; see `_array`."""
    import numpy as np
    import pyarrow as pa

    bits = pa.py_buffer(np.packbits(which, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(which), [None, bits])


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    """Build an array as `pa.array` does, which imports pandas to look for pandas' own types.

    That would be a quarter of a second and forty megabytes for every process.
    """
    import numpy as np
    import pyarrow as pa

    if pa.types.is_integer(kind):
        numbers = np.array(values, kind.to_pandas_dtype())
        return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(numbers)])
    if pa.types.is_string(kind):
        values = [text.encode() for text in values]
    offsets = np.cumsum([0, *map(len, values)], dtype=np.int32)
    if pa.types.is_string(kind):
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(values))]
        return pa.Array.from_buffers(kind, len(values), buffers)
    flat = np.fromiter(itertools.chain.from_iterable(values), np.int32, offsets[-1])
    return pa.ListArray.from_arrays(_array(offsets, pa.int32()), _array(flat, kind.value_type))


def _write(table: pa.Table, path: Path) -> None:
    import pyarrow as pa

    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


@lru_cache(maxsize=4096)
def name_of(file: Path, spec: Path) -> str:
    """Return how reports name a file: from dataset.yaml's folder or the project's, if below."""
    datasets = spec.parent.absolute()
    for folder in (datasets, datasets.parent):
        if file.is_relative_to(folder):
            return file.relative_to(folder).as_posix()
    return shown(file)


def _hash(texts: Sequence[str]) -> int:
    """64 bits of texts: lower case, white space collapsed."""
    return hash_text("\x1f".join(map(normalised, texts)))
