"""Where a new project's rows come from: the template's samples, a file, a folder, the hub."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from phi3scaffold.datasets import dataset_hub
from phi3scaffold.datasets.detection import Guess, guess, is_labelled, task_of, with_held_out
from phi3scaffold.datasets.files import data_files
from phi3scaffold.datasets.labels import LabelTable, label_table
from phi3scaffold.datasets.split_names import Splits, by_name
from phi3scaffold.generator import template
from phi3scaffold.project.errors import ScaffoldError

HELD_OUT_FRACTION = 0.2
Turns = tuple[str, str] | None


@dataclass(frozen=True)
class RowSource:
    """Rows for datasets/, and what was found in them.

    Attributes:
        task: the task that they are for.
        answer: the value of copier's answer `rows`.
        summary: what was guessed, for people.
        label_table: what the texts of the label column are read as.
        found_notes: what else was found, each a sentence.
        files: name in datasets/ -> the file to copy; nothing where they stay on the hub.
    """

    task: str
    answer: dict[str, Any]
    summary: str
    files: Mapping[str, Path] = field(default_factory=dict)
    label_table: LabelTable = field(default_factory=LabelTable)
    found_notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return what was found in the rows, for people, a sentence a line."""
        what = f"{self.summary}; change it in datasets/dataset.yaml"
        return [what, *self.found_notes, *self.label_table.notes()]

    def with_label_choices(self, variants: str, missing: str) -> RowSource:
        """Return the rows with their labels read as a person chose: see `label_table`."""
        table = label_table(self.label_table.texts, variants, missing)
        return replace(self, label_table=table, answer=self.answer | table.answer())


def sample_rows(task: str) -> RowSource:
    """Return the rows that come with the template."""
    folder = template.folder() / "samples" / task
    files = {path.name: path for path in sorted(folder.glob("*.jsonl"))}
    found = guess([folder / "train.jsonl"], task)
    return RowSource(task, found.answer(["train.jsonl"], ["held-out.jsonl"]), found.summary, files)


def fitting_task(data: str) -> str:
    """Return the task that fits the user's rows (see `user_rows`), by the first of them."""
    if dataset_hub.is_hub_id(data):
        there = dataset_hub.find(data)
        return task_of([there.address(name) for name in there.splits.train])
    path = _existing(data)
    if not path.is_dir():
        return task_of([path])
    files, splits = _in_folder(path)
    return task_of([files[name] for name in splits.train])


def user_rows(
    data: str | Path | Sequence[str],
    task: str | None,
    turns: Turns = None,
    part: str | None = None,
) -> RowSource:
    """Return the user's own rows: a file, a folder, or a dataset of the hub.

    Args:
        data: a path, ``owner/name[@revision]``, or ``hf://datasets/owner/name/path``; or the paths
            of several files.
        task: None: whichever task fits them.
        turns: the user's and the assistant's, where they are known.
        part: of a dataset of the hub, where it has several.

    Raises:
        ScaffoldError: they cannot be read, or do not fit the task.
    """
    if not isinstance(data, (str, Path)):
        return _from_files([_existing(path) for path in data], task, turns)
    if dataset_hub.is_hub_id(str(data)):
        there = dataset_hub.find(str(data), part)
        found, answer, summary, _ = _split(there.splits, there.address, there.address, task, turns)
        return _source(found, answer, f"{there.repo} at {there.commit[:12]}: {summary}")
    path = _existing(data)
    return _from_folder(path, task, turns) if path.is_dir() else _from_files([path], task, turns)


def _existing(data: str | Path) -> Path:
    path = Path(data).expanduser()
    if not os.path.lexists(path):
        raise ScaffoldError(
            "The data file does not exist.",
            where=path,
            fix="check --data: a file, a folder, or owner/name of a dataset on the hub",
        )
    return path


def _from_files(paths: Sequence[Path], task: str | None, turns: Turns) -> RowSource:
    paths = data_files(paths)
    found = guess(paths, task, turns)
    files: dict[str, Path] = {}
    for path in paths:
        name = plain_name(path.name)
        while name in files:  # from another folder
            name = f"more-{name}"
        files[name] = path
    answer = found.answer(list(files), HELD_OUT_FRACTION)
    summary = f"{', '.join(path.name for path in paths)}: {found.summary}"
    return _source(found, answer, summary, files)


def _source(
    found: Guess, answer: dict[str, Any], summary: str, files: Mapping[str, Path] | None = None
) -> RowSource:
    table, notes = found.label_table, found.notes
    return RowSource(found.task, answer, summary, files or {}, table, notes)


def _in_folder(folder: Path) -> tuple[dict[str, Path], Splits]:
    """Return the files by their names below the folder, and by split where they name one."""
    files = {path.relative_to(folder).as_posix(): path for path in data_files([folder])}
    splits = by_name(files)
    return files, splits if splits.train and splits.held_out else Splits(tuple(files), {})


def _from_folder(folder: Path, task: str | None, turns: Turns) -> RowSource:
    files, splits = _in_folder(folder)
    name = plain_name(folder.resolve().name)
    found, answer, summary, used = _split(
        splits, files.__getitem__, f"{name}/{{}}".format, task, turns
    )
    if len(used) == len(splits.train) == len(files):
        answer["train"] = [name]
    copied = {f"{name}/{file}": files[file] for file in used}
    return _source(found, answer, f"{folder.resolve().name}: {summary}", copied)


def _split(
    splits: Splits,
    source: Callable[[str], Path | str],
    named: Callable[[str], str],
    task: str | None,
    turns: Turns,
) -> tuple[Guess, dict[str, Any], str, Sequence[str]]:
    """Guess on the training files, and find held-out files that have answers.

    Args:
        source: where a file is read from.
        named: how dataset.yaml names it.

    Returns:
        The guess, copier's answer, what was found in words, and the files used.
    """
    found = guess([source(name) for name in splits.train], task, turns)
    labelled = (
        split
        for split, names in splits.held_out.items()
        if is_labelled([source(name) for name in names], found)
    )
    held = next(labelled, None)
    held_out_files = splits.held_out[held] if held else ()
    found = with_held_out(found, [source(name) for name in held_out_files])
    unused = [*splits.others, *(s for s in splits.held_out if s != held)]
    summary = found.summary
    if held:
        summary += f"; the {held} split is held out"
    if unused:
        summary += f"; not used: {', '.join(unused)}"
    train, used = [named(name) for name in splits.train], [*splits.train, *held_out_files]
    held_out = [named(name) for name in held_out_files] or HELD_OUT_FRACTION
    return found, found.answer(train, held_out), summary, used


def plain_name(name: str) -> str:
    """Return a file's name without characters that a shell or a YAML file misreads."""
    return re.sub(r"[^\w.-]+", "-", name)
