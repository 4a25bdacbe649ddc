"""What the report says of the rows: counted in the index, shown from the shards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3scaffold.datasets.near_duplicates import THRESHOLD
from phi3scaffold.datasets.prepared_rows import SPLITS, key_of
from phi3scaffold.datasets.rendering import IGNORE
from phi3scaffold.datasets.row_index import GROUP, Index
from phi3scaffold.datasets.shards import Shards
from phi3scaffold.datasets.spec import DatasetSpec
from phi3scaffold.datasets.split import TRAINED, mixed
from phi3scaffold.project.formatting import cut

if TYPE_CHECKING:
    import numpy as np
    from tokenizers import Tokenizer

EXAMPLES = 5
LETTERS = 200  # of a text that is shown
BINS = 20
SAMPLES = 3
LOOKED_AT = 300  # rows, to find samples of different labels
SIDES = tuple(map(key_of, SPLITS))
KEPT = "reason IS NULL"


class Facts:
    """The report's parts; every row has its side by now."""

    def __init__(self, spec: DatasetSpec, tokenizer: Path, index: Index, shards: Shards) -> None:
        self.spec, self.tokenizer, self.index, self.shards = spec, tokenizer, index, shards

    def report(
        self, files: list[dict[str, Any]], columns: list[str], checked: dict[str, int]
    ) -> dict[str, Any]:
        """Return the content of report.json.

        Args:
            files: each file that was read: name, split, rows, bytes.
            columns: the columns of the rows, in order of first appearance.
            checked: how many rows were compared for near duplicates, of how many, and of how many
                the prompts were too short for more than equality.
        """
        dropped = self._counts("SELECT reason, COUNT(*) FROM rows WHERE reason IS NOT NULL")
        return {
            "task": self.spec.task,
            "turns": self._turns(),
            "files": files,
            "columns": columns,
            "rows": self._rows(),
            "validation": self._validation(),
            "dropped": dropped,
            "labels": self._labels() if self.spec.task == "classify" else None,
            "tokens": self._tokens(),
            "duplicates": self._doubled("doubles"),
            "near_duplicates": {**checked, "threshold": THRESHOLD, **self._near()},
            "conflicts": self._conflicts(),
            "leaks": self._doubled("leaks"),
            "private": self._private(),
            "samples": self._samples(),
        }

    def _turns(self) -> str:
        if self.spec.messages:
            return f"whole conversations in the column {self.spec.messages.column!r}"
        return f"{self.spec.user} -> {self.spec.assistant}"

    def _counts(self, question: str) -> dict[str, int]:
        """Return the count of each name, the most frequent first."""
        return dict(self.index.ask(f"{question} GROUP BY 1 ORDER BY 2 DESC, 1"))

    def _rows(self) -> dict[str, int]:
        of_side = f"SELECT side, COUNT(*) FROM rows WHERE {KEPT} GROUP BY side"
        rows = dict(self.index.ask(of_side))
        kept = {name: rows.get(side, 0) for side, name in enumerate(SIDES)}
        ((read,),) = self.index.ask("SELECT COUNT(*) FROM rows")
        return {"read": read, **kept, "dropped": read - sum(kept.values())}

    def _validation(self) -> str:
        """Return where the validation rows come from: auto, share, files, or none by wish."""
        wish = self.spec.validation
        if isinstance(wish, tuple):
            return "files"
        return "share" if isinstance(wish, float) else wish or "none"

    def _labels(self) -> dict[str, dict[str, int]]:
        count = f"SELECT label, COUNT(*) FROM rows WHERE {KEPT} AND side = "
        return {name: self._counts(f"{count}{side}") for side, name in enumerate(SIDES)}

    def _tokens(self) -> dict[str, Any]:
        import numpy as np

        lengths: dict[str, np.ndarray] = {}
        counts: dict[str, dict[str, int]] = {}
        for side, name in enumerate(SIDES):
            found = self.index.array(
                f"SELECT tokens, trained FROM rows WHERE {KEPT} AND side = ?",
                [("tokens", "i4"), ("trained", "i4")],
                side,
            )
            lengths[name] = found["tokens"]
            sizes = found["tokens"] if len(found) else np.zeros(1, np.int32)
            counts[name] = {
                "all": int(sizes.sum(dtype=np.int64)),
                "trained": int(found["trained"].sum(dtype=np.int64)),
                "median": int(np.percentile(sizes, 50, method="nearest")),
                "p95": int(np.percentile(sizes, 95, method="nearest")),
                "longest": int(sizes.max()),
            }
        longest = max(one["longest"] for one in counts.values())
        step = max(1, -(-(longest + 1) // BINS))
        edges = list(range(0, longest + step + 1, step))
        ((truncated, too_long),) = self.index.ask(
            f"SELECT TOTAL({KEPT} AND truncated), TOTAL(too_long) FROM rows"
        )
        return {
            "limit": self.spec.max_tokens,
            "truncated": int(truncated),
            "too_long": int(too_long),
            **counts,
            "histogram": {
                "edges": edges,
                **{name: np.histogram(lengths[name], edges)[0].tolist() for name in SIDES},
            },
        }

    def _doubled(self, table: str) -> dict[str, Any]:
        """Return the rows that were dropped as copies of others: `doubles` or `leaks`."""
        ((rows,),) = self.index.ask(f"SELECT COUNT(*) FROM {table}")
        firsts = self.index.ask(f"SELECT DISTINCT first FROM {table} ORDER BY 1 LIMIT {EXAMPLES}")
        examples = []
        for (first,) in firsts:
            same = f"SELECT row FROM {table} WHERE first = ? ORDER BY row LIMIT {EXAMPLES - 1}"
            places = self._places([first, *(row for (row,) in self.index.ask(same, first))])
            examples.append({"places": places, "text": self._text(first)})
        return {"rows": rows, "examples": examples}

    def _near(self) -> dict[str, Any]:
        self.index.keep(
            "kin",
            "SELECT grp, prompt, row, side > MIN(side) OVER (PARTITION BY grp) AS across "
            f"FROM rows JOIN near USING (prompt) WHERE {KEPT}",
        )
        ((groups, rows, across),) = self.index.ask(
            "SELECT COUNT(DISTINCT grp), COUNT(*), TOTAL(across) FROM kin"
        )
        # first those that stand in two sets: there the user can do something
        shown = self.index.ask(
            "SELECT grp, COUNT(*) FROM kin GROUP BY grp "
            f"ORDER BY -MAX(across), -COUNT(*), MIN(row) LIMIT {EXAMPLES}"
        )
        examples = []
        one_each = "SELECT MIN(row) FROM kin WHERE grp = ? GROUP BY prompt ORDER BY 1 LIMIT ?"
        for group, size in shown:
            found = [row for (row,) in self.index.ask(one_each, group, EXAMPLES)]
            texts = list(map(self._text, found))
            examples.append({"rows": size, "places": self._places(found), "texts": texts})
        return {
            "groups": groups,
            "rows": rows,
            "across_splits": int(across),
            **self._distinct(),
            "examples": examples,
        }

    def _distinct(self) -> dict[str, Any]:
        """Return how many questions and answers there are, near duplicates counted once."""
        question = f"SELECT COUNT(DISTINCT {GROUP}) FROM rows WHERE {KEPT}"
        ((questions,),) = self.index.ask(question)
        ((answers,),) = self.index.ask(f"SELECT COUNT(DISTINCT answer) FROM rows WHERE {KEPT}")
        sides = {
            name: self.index.ask(f"{question} AND side = ?", side)[0][0]
            for side, name in enumerate(SIDES)
        }
        single = self.index.ask(
            f"SELECT label FROM rows WHERE {KEPT} AND label <> '' GROUP BY label "
            f"HAVING COUNT(*) > 1 AND COUNT(DISTINCT {GROUP}) = 1 ORDER BY label"
        )
        wanted = self.spec.held_out
        return {
            "questions": questions,
            "answers": answers,
            "questions_by_split": sides,
            "single_question_labels": [label for (label,) in single],
            "held_out_share": wanted if isinstance(wanted, float) else None,
        }

    def _conflicts(self) -> dict[str, Any]:
        self.index.keep(
            "conflicts",
            f"SELECT prompt, COUNT(*) AS rows, MIN(row) AS first FROM rows WHERE {KEPT} "
            "GROUP BY prompt HAVING COUNT(DISTINCT answer) > 1",
        )
        ((prompts, rows),) = self.index.ask("SELECT COUNT(*), TOTAL(rows) FROM conflicts")
        examples = []
        of_prompt = f"FROM rows WHERE {KEPT} AND prompt = ?"
        one_each = f"SELECT MIN(row), answer {of_prompt} GROUP BY answer ORDER BY 1 LIMIT ?"
        same = f"SELECT row {of_prompt} AND answer = ? ORDER BY row LIMIT ?"
        for prompt, first in self.index.ask(
            f"SELECT prompt, first FROM conflicts ORDER BY first LIMIT {EXAMPLES}"
        ):
            answers: dict[str, list[str]] = {}
            for row, answer in self.index.ask(one_each, prompt, EXAMPLES):
                found = [row for (row,) in self.index.ask(same, prompt, answer, EXAMPLES)]
                text = cut(self.shards.answer(*self.shards.find(row)), LETTERS)
                answers.setdefault(text, []).extend(self._places(found))
            examples.append({"text": self._text(first), "answers": answers})
        return {"prompts": prompts, "rows": int(rows), "examples": examples}

    def _private(self) -> dict[str, Any]:
        kinds_of: dict[str, Any] = {}
        having = f"FROM rows WHERE {KEPT} AND private = ?"
        for (kinds,) in self.index.ask(
            f"SELECT DISTINCT private FROM rows WHERE {KEPT} AND private != '' ORDER BY 1"
        ):
            ((count,),) = self.index.ask(f"SELECT COUNT(*) {having}", kinds)
            rows = self.index.ask(f"SELECT row {having} ORDER BY row LIMIT {EXAMPLES}", kinds)
            for kind in kinds.split("\n"):
                entry = kinds_of.setdefault(kind, {"rows": 0, "found": []})
                entry["rows"] += count
                entry["found"] += [row for (row,) in rows]
        return {
            kind: {"rows": entry["rows"], "places": self._places(sorted(entry["found"])[:EXAMPLES])}
            for kind, entry in sorted(kinds_of.items())
        }

    def _samples(self) -> list[dict[str, Any]]:
        """Return training rows as the model reads them, chosen by the seed; of different labels.

        Rows that may hold a secret come last: a report is shown to other people.
        """
        import numpy as np
        from tokenizers import Tokenizer

        found = self.index.array(
            f"SELECT row, whole, private != '' FROM rows WHERE {KEPT} AND side = {TRAINED}",
            [("row", "i8"), ("whole", "i8"), ("private", "i1")],
        )
        order = np.lexsort((mixed(found["whole"], self.spec.seed), found["private"]))
        ranked = found["row"][order].tolist()
        of_label: dict[str, int] = {}
        for row in ranked[:LOOKED_AT]:
            ((label,),) = self.index.ask("SELECT label FROM rows WHERE row = ?", row)
            of_label.setdefault(label, row)
        chosen = list(dict.fromkeys([*of_label.values(), *ranked[:SAMPLES]]))[:SAMPLES]
        tokenizer = Tokenizer.from_file(str(self.tokenizer / "tokenizer.json"))
        samples = []
        for row, place in zip(chosen, self._places(chosen), strict=True):
            ids, labels = self.shards.tokens(*self.shards.find(row))
            samples.append({"place": place, "tokens": pieces(tokenizer, ids, labels)})
        return samples

    def _places(self, rows: Sequence[int]) -> list[str]:
        place = "SELECT file || ':' || line FROM rows WHERE row = ?"
        return [self.index.ask(place, row)[0][0] for row in rows]

    def _text(self, row: int) -> str:
        return cut(self.shards.prompt(*self.shards.find(row)), LETTERS)


def pieces(tokenizer: Tokenizer, ids: list[int], labels: list[int]) -> list[tuple[str, int]]:
    """Return what each token adds to the text, and whether it is trained (0 or 1).

    Tokens that only together make a letter come out as one.
    """
    from tokenizers.decoders import DecodeStream

    stream = DecodeStream(skip_special_tokens=False)
    made: list[tuple[str, int]] = []
    for token, label in zip(ids, labels, strict=True):
        text = stream.step(tokenizer, token)
        if text:
            made.append((text, int(label != IGNORE)))
    return made
