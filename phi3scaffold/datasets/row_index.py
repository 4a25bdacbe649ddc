"""Every row in a few bytes on the disk: what is doubled, leaked, contradicted, kept.

SQLite sorts on the disk, so millions of rows cost no memory. Texts are known by 64 bits of their
hash. Nothing here outlives the run: a killed one builds it again from its shards.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3scaffold.datasets.split import HELD, TRAINED, VALIDATING, Groups

if TYPE_CHECKING:
    import numpy as np

SAME = "the same as an earlier row"
LEAKED = (  # the set of a row, the one where its prompt stands, too, and why the row is dropped
    (VALIDATING, TRAINED, "validation row also in train"),
    (HELD, TRAINED, "held-out row also in train"),
    (HELD, VALIDATING, "held-out row also in validation"),
)
CACHE = 32 << 10  # KiB of pages that SQLite keeps in memory

TABLES = """
CREATE TABLE rows (
  row INTEGER PRIMARY KEY,  -- from 0, as they were read: files to train, to validate, held out
  file TEXT,
  line INTEGER,
  side INTEGER,             -- its set, as `split` numbers them; until the split, its file's
  prompt INTEGER,           -- hashes, of what is not the assistant's, of everything, of the answers
  whole INTEGER,
  answer INTEGER,
  label TEXT,
  tokens INTEGER,
  trained INTEGER,          -- tokens with a label
  truncated INTEGER,
  too_long INTEGER,         -- dropped for that
  private TEXT,             -- kinds of likely secrets, one a line
  reason TEXT               -- why it was dropped; NULL where it is kept
);
CREATE TABLE doubles (row INTEGER PRIMARY KEY, first INTEGER);
CREATE TABLE leaks (row INTEGER PRIMARY KEY, first INTEGER);
CREATE TABLE near (prompt INTEGER PRIMARY KEY, grp INTEGER);
CREATE TABLE moved (grp INTEGER PRIMARY KEY, side INTEGER);
"""
GROUP = "COALESCE((SELECT grp FROM near WHERE near.prompt = rows.prompt), rows.prompt)"
COLUMNS = (
    *("file", "line", "prompt", "whole", "answer", "label"),
    *("tokens", "trained", "truncated", "too_long", "private", "reason"),
)


class Index:
    """The rows in a new SQLite file at `path`; what lay there is replaced."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._base = sqlite3.connect(path, isolation_level=None)
        for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE}"):
            self._base.execute(f"PRAGMA {setting}")
        self._base.executescript(TABLES)
        self._group = GROUP

    def close(self) -> None:
        self._base.close()

    def add(self, start: int, side: int, columns: dict[str, list[Any]]) -> None:
        """Add rows.

        Args:
            start: the number of the first.
            side: the set of the file that they are from.
            columns: `COLUMNS` and a value for each row; the last, `reason`, "" where it is kept.
        """
        count = len(columns["line"])
        values = zip(range(start, start + count), *(columns[c] for c in COLUMNS), strict=True)
        names, marks = ", ".join(COLUMNS), ", ".join("?" * len(COLUMNS))
        into = f"rows (side, row, {names}) VALUES ({int(side)}, {marks}, NULLIF(?, ''))"
        self._insert(into, values)

    def _insert(self, into: str, values: Iterable[tuple[Any, ...]]) -> None:
        self._base.execute("BEGIN")
        self._base.executemany(f"INSERT INTO {into}", values)
        self._base.execute("COMMIT")

    def drop_doubles(self) -> None:
        """Drop what is the same as an earlier row of its files; the first stays."""
        self._drop("doubles", SAME, "MIN(row) OVER (PARTITION BY whole, side)", "row > first")

    def drop_leaks(self) -> None:
        """Drop the validation and held-out rows whose prompt stands in another set, too."""
        for side, other, reason in LEAKED:
            first = f"MIN(CASE side WHEN {other} THEN row END) OVER (PARTITION BY prompt)"
            self._drop("leaks", reason, first, f"side = {side} AND first IS NOT NULL")

    def _drop(self, table: str, reason: str, first: str, which: str) -> None:
        self._base.execute(
            f"INSERT INTO {table} SELECT row, first FROM "
            f"(SELECT row, side, {first} AS first FROM rows WHERE reason IS NULL) WHERE {which}"
        )
        self._base.execute(
            f"UPDATE rows SET reason = ? WHERE reason IS NULL AND row IN (SELECT row FROM {table})",
            (reason,),
        )

    def prompts(self) -> np.ndarray:
        """Return the different prompts of the rows in use.

        Returns:
            Each with ``prompt`` (its hash), ``row`` (the first that has it), ``answer`` (the hash
            of that row's) and ``count`` (of its rows).
        """
        return self.array(
            "SELECT prompt, MIN(row), answer, COUNT(*) FROM rows "  # SQLite: that row's answer
            "WHERE reason IS NULL GROUP BY prompt",
            [("prompt", "i8"), ("row", "i8"), ("answer", "i8"), ("count", "i4")],
        )

    def add_near(self, groups: Iterable[Sequence[int]]) -> None:
        """Make prompts that are nearly the same one group, named by the least hash."""
        pairs = ((prompt, min(group)) for group in groups for prompt in group)
        self._insert("near VALUES (?, ?)", pairs)

    def part_near(self) -> None:
        """Let prompts that are nearly the same go to different sets; equal ones stay together."""
        self._group = "rows.prompt"

    def groups(self) -> Groups:
        """Return the groups of the training files; of a group's labels the most frequent counts.

        Of equally frequent ones it is the first.
        """
        import numpy as np

        of = f"FROM rows WHERE reason IS NULL AND side = {TRAINED}"
        labels = self.ask(f"SELECT DISTINCT label {of} ORDER BY label")
        codes = {name: code for code, (name,) in enumerate(labels)}
        found = self._base.execute(
            f"SELECT {self._group} AS grp, label, COUNT(*) AS count {of} "
            "GROUP BY grp, label ORDER BY grp, count DESC, label"
        )
        coded = ((group, codes[label], count) for group, label, count in found)
        each = np.fromiter(coded, [("id", "i8"), ("label", "i4"), ("count", "i4")])
        ids, starts = np.unique(each["id"], return_index=True)
        if not len(ids):
            return Groups(ids, each["label"], each["count"])
        return Groups(ids, each["label"][starts], np.add.reduceat(each["count"], starts))

    def move(self, groups: Iterable[int], sides: Iterable[int]) -> None:
        """Move groups of the training files to other sets."""
        self._insert("moved VALUES (?, ?)", zip(groups, sides, strict=True))
        self._base.execute(
            f"UPDATE rows SET side = (SELECT moved.side FROM moved WHERE grp = {self._group}) "
            f"WHERE reason IS NULL AND side = {TRAINED} "
            f"AND {self._group} IN (SELECT grp FROM moved)"
        )

    def sides(self, start: int, count: int) -> np.ndarray:
        """Return the set of each row in order, -1 where it is dropped (int8)."""
        import numpy as np

        found = self._base.execute(
            "SELECT CASE WHEN reason IS NULL THEN side ELSE -1 END FROM rows "
            "WHERE row >= ? AND row < ? ORDER BY row",
            (start, start + count),
        )
        return np.fromiter((side for (side,) in found), np.int8, count)

    def keep(self, table: str, question: str) -> None:
        """Answer a question into a new table."""
        self._base.execute(f"CREATE TABLE {table} AS {question}")

    def ask(self, question: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return all results at once; for few."""
        return self._base.execute(question, values).fetchall()

    def stream(self, question: str) -> Iterator[tuple[Any, ...]]:
        yield from self._base.execute(question)

    def array(self, question: str, kinds: Any, *values: Any) -> np.ndarray:
        """Return the results as one structured array, without a list of tuples between."""
        import numpy as np

        return np.fromiter(self._base.execute(question, values), np.dtype(kinds))
