"""Every row in a few bytes on the disk: what is doubled, leaked, contradicted, kept.

SQLite sorts on the disk, so millions of rows cost no memory. Texts are known by 64 bits of their
hash. Nothing here outlives the run: a killed one builds it again from its shards.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3scaffold.datasets.split import Groups

if TYPE_CHECKING:
    import numpy as np

SAME = "the same as an earlier row"
LEAKED = "held-out row also in train"
CACHE = 32 << 10  # KiB of pages that SQLite keeps in memory

TABLES = """
CREATE TABLE rows (
  row INTEGER PRIMARY KEY,  -- from 0, as they were read: what is to train, then held-out files
  file TEXT,
  line INTEGER,
  held INTEGER,             -- 1 held out, 0 trained; NULL until the split has decided
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
CREATE TABLE held (grp INTEGER PRIMARY KEY);
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

    def close(self) -> None:
        self._base.close()

    def add(self, start: int, held: bool | None, columns: dict[str, list[Any]]) -> None:
        """Add rows.

        Args:
            start: the number of the first.
            held: their side, where the user gave it.
            columns: `COLUMNS` and a value for each row; the last, `reason`, "" where it is kept.
        """
        count = len(columns["line"])
        values = zip(range(start, start + count), *(columns[c] for c in COLUMNS), strict=True)
        names, marks = ", ".join(COLUMNS), ", ".join("?" * len(COLUMNS))
        side = "NULL" if held is None else str(int(held))
        into = f"rows (held, row, {names}) VALUES ({side}, {marks}, NULLIF(?, ''))"
        self._insert(into, values)

    def _insert(self, into: str, values: Iterable[tuple[Any, ...]]) -> None:
        self._base.execute("BEGIN")
        self._base.executemany(f"INSERT INTO {into}", values)
        self._base.execute("COMMIT")

    def drop_doubles(self) -> None:
        """Drop what is the same as an earlier row of its side; the first stays."""
        self._drop("doubles", SAME, "MIN(row) OVER (PARTITION BY whole, held)", "row > first")

    def drop_leaks(self) -> None:
        """Drop the held-out rows whose prompt stands among those to train."""
        trained = "MIN(CASE held WHEN 0 THEN row END) OVER (PARTITION BY prompt)"
        self._drop("leaks", LEAKED, trained, "held = 1 AND first IS NOT NULL")

    def _drop(self, table: str, reason: str, first: str, which: str) -> None:
        self._base.execute(
            f"INSERT INTO {table} SELECT row, first FROM "
            f"(SELECT row, held, {first} AS first FROM rows WHERE reason IS NULL) WHERE {which}"
        )
        self._base.execute(
            f"UPDATE rows SET reason = ? WHERE row IN (SELECT row FROM {table})", (reason,)
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

    def groups(self) -> Groups:
        """Return what stays on one side; its most frequent label counts, of equals the first."""
        import numpy as np

        labels = self.ask("SELECT DISTINCT label FROM rows WHERE reason IS NULL ORDER BY label")
        codes = {name: code for code, (name,) in enumerate(labels)}
        found = self._base.execute(
            f"SELECT {GROUP} AS grp, label, COUNT(*) AS count FROM rows WHERE reason IS NULL "
            "GROUP BY grp, label ORDER BY grp, count DESC, label"
        )
        coded = ((group, codes[label], count) for group, label, count in found)
        each = np.fromiter(coded, [("id", "i8"), ("label", "i4"), ("count", "i4")])
        ids, starts = np.unique(each["id"], return_index=True)
        if not len(ids):
            return Groups(ids, each["label"], each["count"])
        return Groups(ids, each["label"][starts], np.add.reduceat(each["count"], starts))

    def split(self, held: Iterable[int]) -> None:
        """Give every kept row its side: the groups `held` are held out."""
        self._insert("held VALUES (?)", ((group,) for group in held))
        self._base.execute(
            f"UPDATE rows SET held = ({GROUP} IN (SELECT grp FROM held)) WHERE reason IS NULL"
        )

    def sides(self, start: int, count: int) -> np.ndarray:
        """Return the side of each row in order: 0 train, 1 held out, -1 dropped (int8)."""
        import numpy as np

        found = self._base.execute(
            "SELECT CASE WHEN reason IS NULL THEN held ELSE -1 END FROM rows "
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
