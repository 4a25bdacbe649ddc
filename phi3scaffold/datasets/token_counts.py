"""How many rows and tokens a run will have: counted where the rows are prepared, else estimated."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from phi3scaffold.datasets.conversations import Conversation, conversation
from phi3scaffold.datasets.prepared_rows import (
    HELD_OUT,
    TRAIN,
    VALIDATION,
    Prepared,
    has_validation,
    spread,
)
from phi3scaffold.datasets.reader import Reading
from phi3scaffold.datasets.spec import DatasetSpec, Sources, load_spec
from phi3scaffold.datasets.split import AUTO, auto_rows
from phi3scaffold.models import catalogue
from phi3scaffold.models.model_lock import local_folder
from phi3scaffold.models.template_file import ChatTemplate, read_template
from phi3scaffold.pipeline.hashing import digest
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project

SAMPLE = 512  # rows whose tokens are looked at
COUNTED = 20_000  # rows that are counted; of more, the rest is taken to be like them
LETTERS = 3.5  # of a token, where there is no tokenizer yet
TURN = 4  # tokens of a turn besides its text, where there is no chat template yet
TOKENIZER = "tokenizer.json"


class TokenRow(NamedTuple):
    """One row as a model reads it.

    Attributes:
        ids: its tokens; rows that begin alike begin with the same ones.
        labels: how many of them are learned.
    """

    ids: tuple[int, ...]
    labels: int


@dataclass(frozen=True)
class TokenCounts:
    """The rows of the three sets.

    Attributes:
        train, validation, held_out: rows.
        sample: some training rows, spread over all.
        is_exact: whether they were counted in the prepared rows.
    """

    train: int
    validation: int
    held_out: int
    sample: tuple[TokenRow, ...]
    is_exact: bool

    @property
    def tokens(self) -> float:
        """Tokens of a training row, on average."""
        return sum(len(row.ids) for row in self.sample) / max(1, len(self.sample))

    @property
    def labels(self) -> float:
        """Learned tokens of a training row, on average."""
        return sum(row.labels for row in self.sample) / max(1, len(self.sample))


def token_counts(project: Project) -> TokenCounts:
    """Return the counts of a project: of its prepared rows, or estimated from its files.

    Raises:
        ScaffoldError: dataset.yaml or a file of rows is wrong.
    """
    prepared = project.rows / f"{TRAIN}.arrow"
    spec = load_spec(project.dataset_yaml)
    files = (project.dataset_yaml, prepared, *spec.files)
    changed = tuple((str(file), file.stat().st_mtime_ns) for file in files if file.exists())
    return _counts(project.root, local_folder(project), project.is_demonstration, changed)


@functools.lru_cache(maxsize=4)
def _counts(
    root: Path, model: Path | None, is_demonstration: bool, changed: tuple[tuple[str, int], ...]
) -> TokenCounts:
    project = Project(root, "", "", "", None)
    spec = load_spec(project.dataset_yaml)
    newest = max((time for name, time in changed if "gen-model" not in name), default=0)
    prepared = dict(changed).get(str(project.rows / f"{TRAIN}.arrow"), 0)
    if prepared >= newest:
        return _prepared(project)
    folders = (project.tokenizer, project.base, model, catalogue.tiny_folder())
    known = folders if is_demonstration else folders[:3]
    tokenizer = next((one for one in known if one and (one / TOKENIZER).is_file()), None)
    return _estimated(spec, tokenizer)


def _prepared(project: Project) -> TokenCounts:
    train, held_out = Prepared(project.rows, TRAIN), Prepared(project.rows, HELD_OUT)
    validation = len(Prepared(project.rows, VALIDATION)) if has_validation(project.rows) else 0
    rows = []
    for index in spread(len(train), SAMPLE):
        ids, labels = train[index]
        rows.append(TokenRow(tuple(ids.tolist()), int((labels >= 0).sum())))
    return TokenCounts(len(train), validation, len(held_out), tuple(rows), is_exact=True)


def _estimated(spec: DatasetSpec, tokenizer: Path | None) -> TokenCounts:
    total, rows = _look(spec, spec.train)
    held_out = _files(spec, spec.held_out, total)
    free = total - (held_out if isinstance(spec.held_out, float) else 0)
    if spec.validation == AUTO:
        validation = auto_rows(total, free)
    else:
        validation = _files(spec, spec.validation, total)
    inside = validation if not isinstance(spec.validation, tuple) else 0
    writer = _Writer(tokenizer)
    sample = tuple(writer.row(row, spec.max_tokens) for row in rows)
    return TokenCounts(max(1, free - inside), validation, held_out, sample, is_exact=False)


def _files(spec: DatasetSpec, named: Sources | float | str | None, total: int) -> int:
    """Return the rows of a set: of its own files, or its share of the training files' rows."""
    if isinstance(named, tuple):
        return _look(spec, named)[0]
    return round(named * total) if isinstance(named, float) else 0


def _look(spec: DatasetSpec, sources: Sources) -> tuple[int, list[Conversation]]:
    """Return how many different rows files hold, and some of them."""
    seen: set[str] = set()
    rows: list[Conversation] = []
    reading = Reading(sources, on_error=lambda _error: None)
    for row in islice(reading, COUNTED):
        try:
            found = conversation(row, spec)
        except ScaffoldError:  # that a row is wrong is for `data` to say
            continue
        if isinstance(found, Conversation):
            seen.add(digest(found.messages))
            if len(rows) < SAMPLE:
                rows.append(found)
    whole = reading.bytes_total / max(1, min(reading.bytes_done, reading.bytes_total))
    return round(len(seen) * max(1.0, whole)) if seen else 0, rows


class _Writer:
    """Makes tokens of a conversation, without transformers.

    Args:
        folder: of the model's tokenizer; None: letters are counted.
    """

    def __init__(self, folder: Path | None) -> None:
        self._tokenizer: Any = None
        self._template: ChatTemplate | None = None
        if folder is None:
            return
        try:
            from tokenizers import Tokenizer
        except ImportError:  # the generator alone is installed
            return
        try:
            self._template = read_template(folder)
            self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        except Exception:  # noqa: BLE001 (tokenizers raises plain ones; that is for `model` to say)
            self._tokenizer = None

    def row(self, row: Conversation, most: int) -> TokenRow:
        """Return the row's tokens, at most so many."""
        if self._tokenizer is not None and self._template is not None:
            try:
                text = self._template.render(row.messages, to_answer=False, tools=row.tools)
            except ScaffoldError:
                return self._counted(row, most)
            ids = self._tokenizer.encode(text, add_special_tokens=False).ids
            answers = (str(row.messages[number]["content"]) for number in row.learned)
            learned = [self._tokenizer.encode(text, add_special_tokens=False).ids
                       for text in answers]  # fmt: skip
            return TokenRow(tuple(ids[:most]), max(1, sum(len(one) + 1 for one in learned)))
        return self._counted(row, most)

    @staticmethod
    def _counted(row: Conversation, most: int) -> TokenRow:
        ids = list(_numbers(row.messages))
        learned = sum(len(str(row.messages[number]["content"])) for number in row.learned)
        return TokenRow(tuple(ids[:most]), max(1, round(learned / LETTERS)))


def _numbers(messages: Sequence[Any]) -> Iterator[int]:
    """Yield as many numbers as a text has tokens; texts that begin alike have the same ones."""
    for turn in messages:
        text = str(turn["content"])
        size = int(LETTERS * 2)
        for start in range(0, len(text), size):
            number = hash(text[start : start + size]) & 0xFFFF
            yield from (number, number)
        yield from range(TURN)
