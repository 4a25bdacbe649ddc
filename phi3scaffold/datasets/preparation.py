"""From dataset.yaml and files of any size to training rows and a report of them.

One way for a hundred rows and for millions: rows stream in, shards of a thousand are rendered and
written, an index on the disk decides what is kept and where it goes, and the kept rows stream
into the published files in the order they were read.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3scaffold.datasets import near_duplicates, signatures
from phi3scaffold.datasets.frames import LOOKED_AT, Frames, find_frames
from phi3scaffold.datasets.prepared_rows import SPLITS, VALIDATION, file_of, key_of, schema
from phi3scaffold.datasets.reader import Reading
from phi3scaffold.datasets.rendering import TOOLS_LOST, tools_error
from phi3scaffold.datasets.row_index import COLUMNS, GROUP, Index
from phi3scaffold.datasets.shards import Batch, Shards, batches, mask, name_of
from phi3scaffold.datasets.spec import DatasetSpec
from phi3scaffold.datasets.split import AUTO, HELD, TRAINED, VALIDATING, mixed, split
from phi3scaffold.datasets.statistics import Facts
from phi3scaffold.datasets.unused import optional_columns
from phi3scaffold.datasets.wording import wording
from phi3scaffold.datasets.worker_pool import WorkerPool, worth
from phi3scaffold.pipeline.environment import peak_bytes
from phi3scaffold.pipeline.events import Emit, Step
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.formatting import count as count_text
from phi3scaffold.project.layout import DROPPED_ROWS, ROWS_REPORT

if TYPE_CHECKING:
    import numpy as np

# Shares of the time: rendering, comparing, writing.
RENDERING, COMPARING, WRITING = 0.85, 0.10, 0.05
TELL_EVERY = 0.2  # seconds
COMPARED = 4096  # prompts whose shingles are kept in memory


def prepare(
    spec: DatasetSpec,
    tokenizer: Path,
    out: Path,
    scratch: Path,
    emit: Emit,
    workers: int | None = None,
    model: str = "the model",
) -> dict[str, Any]:
    """Write the training rows and their report into `out`.

    Args:
        spec: dataset.yaml.
        tokenizer: the folder of the model's tokenizer files.
        out: an empty folder: gets train.arrow, validation.arrow (where there is a validation set),
            held-out.arrow, dropped.jsonl and report.json, the same bytes for the same input.
        scratch: where finished work lies, so that a killed run goes on from there. It must belong
            to just these inputs and versions. The caller removes it when `out` is published, or
            something was wrong with the rows.
        emit: takes progress events.
        workers: how many processes work; as many as are worth it by default.
        model: the model's name, for messages.

    Returns:
        The report (see `Facts`), with ``seconds``, ``rows_per_second`` and ``peak_bytes`` (of all
        processes).

    Raises:
        ScaffoldError: the first row that is wrong, in order of the files; or a set is left without
            rows, or the training rows without a second label.
    """
    started = time.monotonic()
    scratch.mkdir(parents=True, exist_ok=True)
    run = _Preparation(spec, tokenizer, scratch, emit, model)
    try:
        report = run.all(out, workers)
    finally:
        run.index.close()
        run.shards.close()
    seconds = time.monotonic() - started
    read = report["rows"]["read"]
    return report | {
        "seconds": round(seconds, 3),
        "rows_per_second": round(read / seconds),
        "peak_bytes": sum({**run.peaks, os.getpid(): peak_bytes()}.values()),
    }


class _Preparation:
    """One preparation, phase by phase."""

    def __init__(
        self, spec: DatasetSpec, tokenizer: Path, scratch: Path, emit: Emit, model: str
    ) -> None:
        self.spec, self.tokenizer, self.scratch, self.model = spec, tokenizer, scratch, model
        named = enumerate((spec.train, spec.validation, spec.held_out))
        self.sources = [(Reading(one), side) for side, one in named if isinstance(one, tuple)]
        self.size = sum(reading.bytes_total for reading, _ in self.sources)
        self.emit, self.emitted = emit, 0.0
        self.shards = Shards(scratch)
        self.index = Index(scratch / "index.sqlite")
        self.parted = False  # whether near duplicates stand in several sets, for want of others
        self.columns: dict[str, None] = {}
        self.notes: Counter[tuple[str, str]] = Counter()
        self.unused: dict[str, Counter[str]] = {"columns": Counter(), "turn_keys": Counter()}
        self.spellings: dict[str, Counter[str]] = {}  # label -> other spellings -> rows
        self.counts: Counter[tuple[int, str]] = Counter()  # (set, file) -> rows
        self.peaks: dict[int, int] = {}  # process -> the most memory it ever had

    def all(self, out: Path, workers: int | None) -> dict[str, Any]:
        count = worth(self.size) if workers is None else workers
        with WorkerPool(self.spec, self.tokenizer, self.scratch, count) as crew:
            self.render(crew)
            self.refuse_lost_tools()
            self.refuse_missing_columns()
            self.index.drop_doubles()
            self.index.drop_leaks()
            if not self.index.ask("SELECT 1 FROM rows WHERE reason IS NULL LIMIT 1"):
                self.refuse_empty_sides()
            checked = self.compare(crew)
        self.split()
        self.refuse_empty_sides()
        self.write(out)
        facts = Facts(self.spec, self.tokenizer, self.index, self.shards)
        report = facts.report(self.files(), list(self.columns), checked) | {
            "unused": {part: dict(counts) for part, counts in self.unused.items()},
            "readings": {
                note: {"rows": self.notes[note, "rows"], "times": self.notes[note, "times"]}
                for note in dict.fromkeys(note for note, _ in self.notes)
            },
        }
        report["near_duplicates"]["parted"] = self.parted
        report["label_variants"] = {
            label: dict(counts.most_common()) for label, counts in sorted(self.spellings.items())
        }
        text = json.dumps(report, ensure_ascii=False, indent=1)
        (out / ROWS_REPORT).write_text(text + "\n", encoding="utf-8", newline="\n")
        return report

    def render(self, crew: WorkerPool) -> None:
        """Make the shards, and the index of what is in them."""
        pending: list[tuple[Batch, int]] = []  # handed out, not yet back

        def tasks() -> Iterator[tuple[Batch]]:
            for batch, side in self.batches():
                pending.append((batch, side))
                yield (batch,)

        rows = 0
        for process, peak in crew.do("make", tasks()):
            batch, side = pending.pop(0)
            table = self.shards.read(batch.number, COLUMNS)
            self.index.add(self.shards.add(table.num_rows), side, table.to_pydict())
            facts = self.shards.facts(table)
            self.columns.update(dict.fromkeys(facts["columns"]))
            for part, counts in facts["unused"].items():
                self.unused[part].update(counts)
            for label, counts in facts["spellings"].items():
                self.spellings.setdefault(label, Counter()).update(counts)
            for note, (rows_with, times) in facts["notes"].items():
                self.notes[note, "rows"] += rows_with
                self.notes[note, "times"] += times
            self.peaks[process] = peak
            self.counts.update((side, file) for file in table.column("file").to_pylist())
            rows += table.num_rows
            done = sum(reading.bytes_done for reading, _ in self.sources) / max(1, self.size)
            self.progress(0, RENDERING, done, f"{rows:,} rows")

    def batches(self) -> Iterator[tuple[Batch, int]]:
        number = 0
        for reading, side in self.sources:
            for batch in batches(iter(reading), number):
                number = batch.number + 1
                yield batch, side

    def compare(self, crew: WorkerPool) -> dict[str, int]:
        """Group the prompts that are nearly the same.

        Returns:
            How many rows were ``checked``, ``of`` how many, and how many of them had prompts too
            ``short`` for more than equality.
        """
        import numpy as np

        every = self.index.prompts()
        ranked = np.argsort(mixed(every["prompt"], self.spec.seed))
        frames = self.frames(every[np.sort(ranked[:LOOKED_AT])])
        sample = every[ranked[: near_duplicates.MOST]]
        sample.sort(order="row")  # as they lie in the shards
        prompts = self.read_prompts(crew, sample, frames)

        @lru_cache(COMPARED)
        def shingles_of(place: int) -> np.ndarray:
            where = self.shards.find(int(sample["row"][place]))
            return signatures.own_shingles(self.shards.prompt(*where), frames)

        def tell(step: int, of: int) -> None:
            self.progress(RENDERING + COMPARING / 2, COMPARING / 2, step / of, "comparing")

        names = sample["prompt"]
        groups = near_duplicates.near_groups(prompts, names, shingles_of, tell)
        self.index.add_near(names[group].tolist() for group in groups)
        checked = int(sample["count"].sum())
        short = checked - int(sample["count"][prompts.places].sum())
        return {"checked": checked, "of": int(every["count"].sum()), "short": short}

    def frames(self, prompts: np.ndarray) -> Frames:
        """Find what some prompts share at their beginning and end."""
        ordered = prompts[prompts["row"].argsort()]
        texts = [
            wording(self.shards.prompt(*self.shards.find(row))).text
            for row in ordered["row"].tolist()
        ]
        return find_frames(texts, ordered["answer"].tolist())

    def read_prompts(
        self, crew: WorkerPool, sample: np.ndarray, frames: Frames
    ) -> signatures.Prompts:
        """Return the prompts of a sample, sorted by row, as they are compared."""
        import numpy as np

        rows = sample["row"]
        numbers = np.searchsorted(self.shards.starts, rows, "right") - 1
        shards, begins = np.unique(numbers, return_index=True)
        parts = np.split(sample, begins[1:])
        tasks = (
            (
                int(number),
                (part["row"] - self.shards.starts[number]).tolist(),
                part["answer"].tolist(),
                frames,
            )
            for number, part in zip(shards, parts, strict=False)
        )

        def read() -> Iterator[signatures.Prompts]:
            for done, part in enumerate(crew.do("read_prompts", tasks), 1):
                yield part
                self.progress(RENDERING, COMPARING / 2, done / len(shards), "comparing")

        return signatures.join(read(), len(sample))

    def refuse_lost_tools(self) -> None:
        """Refuse rows of tools that the chat template would render in part."""
        query = "SELECT COUNT(*), MIN(row), reason FROM rows WHERE reason LIKE ? GROUP BY reason"
        lost = self.index.ask(f"{query} ORDER BY 2", f"{TOOLS_LOST}%")
        if not lost:
            return
        rows, first = sum(count for count, _, _ in lost), lost[0][1]
        ((place,),) = self.index.ask("SELECT file || ':' || line FROM rows WHERE row = ?", first)
        parts = " and ".join(reason.removeprefix(TOOLS_LOST) for _, _, reason in lost)
        raise tools_error(count_text(rows, "row uses", "rows use"), self.model, parts, place)

    def refuse_missing_columns(self) -> None:
        """Refuse a column that may be missing in some rows, and is in none."""
        for key, names in optional_columns(self.spec).items():
            for name in names:
                if name not in self.columns:
                    raise ScaffoldError(
                        f"No row has the column {name!r}; they have: "
                        f"{', '.join(list(self.columns)[:20])}.",
                        where=f"{self.spec.path}: {key}",
                        fix="correct the name, or remove it",
                    )

    def split(self) -> None:
        """Move rows of the training files to the sets that have no files of their own."""
        held_out, validation = self.spec.held_out, self.spec.validation
        shares = (
            None if isinstance(held_out, tuple) else held_out,
            None if isinstance(validation, tuple) else validation,
        )
        groups = self.index.groups()
        sets = split(groups, *shares, self.spec.seed)
        if shares[0] is not None and HELD not in sets:
            self.parted = True  # said beside the twins that are now in two sets
            self.index.part_near()
            groups = self.index.groups()
            sets = split(groups, *shares, self.spec.seed)
        elsewhere = sets != TRAINED
        self.index.move(groups.ids[elsewhere].tolist(), sets[elsewhere].tolist())

    def refuse_empty_sides(self) -> None:
        """Refuse a set with no row, unless `auto` says so, or only one label to train."""
        yaml = self.spec.path
        for side, name in enumerate(map(key_of, SPLITS)):
            if side == VALIDATING and self.spec.validation in (None, AUTO):
                continue
            query = "SELECT 1 FROM rows WHERE reason IS NULL AND side = ? LIMIT 1"
            if not self.index.ask(query, side):
                raise ScaffoldError(
                    f"No row is left for {name}{self.dropped_text()}.",
                    where=f"{yaml}: files.{name}",
                    fix="add rows, or correct those"
                    if any(side == own for _, own in self.sources)
                    else f"add rows with other prompts, or give {SPLITS[side]} rows in a file",
                )
        if self.spec.task == "classify":
            labels = "SELECT DISTINCT label FROM rows WHERE reason IS NULL AND side = 0 LIMIT 2"
            found = self.index.ask(labels)
            if len(found) < 2:
                raise ScaffoldError(
                    f"Every training row has the same label, {found[0][0]!r:.100}: "
                    "there is nothing to learn.",
                    where=self.spec.train[0],
                    fix="add rows of at least one other label",
                )

    def dropped_text(self) -> str:
        counts = "SELECT COUNT(*), reason FROM rows WHERE reason IS NOT NULL GROUP BY reason"
        reasons = [f"{count} dropped: {reason}" for count, reason in self.index.ask(counts)]
        kept, questions = self.index.ask(
            f"SELECT COUNT(*), COUNT(DISTINCT {GROUP}) FROM rows WHERE reason IS NULL"
        )[0]
        if questions == 1 < kept:  # a group stays in one set
            reasons.append(f"all {kept} others ask nearly the same thing and stay in one set")
        return f" ({', '.join(reasons)})" if reasons else ""

    def write(self, out: Path) -> None:
        """Write each set's rows in the order they were read, and why others were dropped."""
        import pyarrow as pa

        validating = "SELECT 1 FROM rows WHERE reason IS NULL AND side = ? LIMIT 1"
        with contextlib.ExitStack() as stack:
            writers = {}
            for side, name in enumerate(SPLITS):
                if name != VALIDATION or self.index.ask(validating, side):
                    file = stack.enter_context(pa.OSFile(str(out / file_of(name)), "wb"))
                    writers[side] = stack.enter_context(pa.ipc.new_file(file, schema()))
            for number, start in enumerate(self.shards.starts[:-1]):
                table = self.shards.read(number, schema().names).replace_schema_metadata()
                sides = self.index.sides(start, table.num_rows)
                for side, writer in writers.items():
                    rows = table.filter(mask(sides == side))
                    if rows.num_rows:
                        writer.write_table(rows.combine_chunks())
                done = (number + 1) / len(self.shards.starts)
                self.progress(RENDERING + COMPARING, WRITING, done, "writing")
        gone = "SELECT file, line, reason FROM rows WHERE reason IS NOT NULL ORDER BY row"
        with (out / DROPPED_ROWS).open("w", encoding="utf-8", newline="\n") as lines:
            for file, line, reason in self.index.stream(gone):
                entry = {"place": f"{file}:{line}", "file": file, "line": line, "reason": reason}
                lines.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def files(self) -> list[dict[str, Any]]:
        """Return what was read: name, split, rows, bytes on the disk."""
        return [
            {
                "name": name_of(file, self.spec.path),
                "split": key_of(SPLITS[side]),
                "rows": self.counts[side, name_of(file, self.spec.path)],
                "bytes": file.stat().st_size,
            }
            for reading, side in self.sources
            for file in reading.files
        ]

    def progress(self, before: float, share: float, done: float, phase: str) -> None:
        """Move the one bar, in thousandths of the time; `done` (0 to 1) of `share` is behind."""
        now = time.monotonic()
        if now - self.emitted >= TELL_EVERY:
            self.emitted = now
            step = round(1000 * (before + share * min(1.0, done)))
            self.emit(Step(step, 1000, phase=phase))
