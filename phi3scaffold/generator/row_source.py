"""Where a new project's rows come from: the template's samples, a file, a folder, the hub."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from phi3scaffold.datasets import dataset_hub
from phi3scaffold.datasets.dataset_error import no_project_yet
from phi3scaffold.datasets.detection import Guess, NamedColumns, guess, is_labelled, with_held_out
from phi3scaffold.datasets.detection.guess import ToolRows
from phi3scaffold.datasets.files import data_files
from phi3scaffold.datasets.labels import (
    LIKELY,
    MERGE,
    LabelTable,
    label_table,
    labels_text,
    spellings_text,
)
from phi3scaffold.datasets.normalization import (
    LOOK,
    NormalFile,
    ReadingOptions,
    normal_file,
    plain_name,
)
from phi3scaffold.datasets.split import AUTO
from phi3scaffold.datasets.split_names import TEST, VALIDATION, Splits, by_name
from phi3scaffold.generator import template
from phi3scaffold.generator.data_argument import hub_address, normal_files
from phi3scaffold.project.errors import ScaffoldError

HELD_OUT_FRACTION = 0.2
LABEL_QUESTIONS = ("label_variants", "missing_labels")
Turns = tuple[str, str] | NamedColumns | None


@dataclass(frozen=True)
class RowSource:
    """Rows for datasets/, and what was found in them.

    Attributes:
        task: the task that they are for.
        answer: the value of copier's answer `rows`.
        summary: what was guessed, for people.
        label_table: what the texts of the label column are read as.
        found_notes: what else was found, each a sentence.
        other_task: the task that they could be for as well.
        tool_rows: which of the first rows use tools, or None where none does.
        files: name in datasets/ -> the file to copy; nothing where they stay on the hub.
    """

    task: str
    answer: dict[str, Any]
    summary: str
    files: Mapping[str, Path] = field(default_factory=dict)
    label_table: LabelTable = field(default_factory=LabelTable)
    found_notes: tuple[str, ...] = ()
    other_task: str = ""
    tool_rows: ToolRows | None = None

    def lines(self) -> list[str]:
        """Return what was found in the rows, for people, a sentence a line."""
        what = f"{self.summary}; change it in datasets/dataset.yaml"
        return [what, *self.found_notes, *self.label_table.notes()]

    @property
    def label_questions(self) -> dict[str, str]:
        """What is found in the labels that a person may decide: question of copier.yml -> words."""
        table = self.label_table
        doubtful = {**{text: n for text, n in table.missing.items() if text}, **table.doubtful}
        spellings = {
            text: rows for variants in table.variants.values() for text, rows in variants.items()
        } | {text: rows for text, rows, _ in table.alike}
        return {
            "label_variants": spellings_text(spellings) if spellings else "",
            "missing_labels": spellings_text(doubtful) if doubtful else "",
        }

    def with_label_choices(
        self, label_variants: str = MERGE, missing_labels: str = LIKELY
    ) -> RowSource:
        """Return the rows with their labels read as a person chose: see `label_table`.

        Raises:
            ScaffoldError: fewer than two labels are left.
        """
        table = label_table(self.label_table.texts, label_variants, missing_labels)
        if len(table.labels) < 2:
            raise ScaffoldError(
                f"Read this way, the rows have only one label: {''.join(table.labels)!r}.",
                where="--missing-labels",
                fix="--missing-labels keep",
            )
        before, after = labels_text(self.label_table.labels), labels_text(table.labels)
        return replace(
            self,
            label_table=table,
            answer=self.answer | table.answer(),
            summary=self.summary.replace(f"({before})", f"({after})"),
        )


def sample_rows(task: str) -> RowSource:
    """Return the rows that come with the template."""
    folder = template.folder() / "samples" / task
    files = {path.name: path for path in sorted(folder.glob("*.jsonl"))}
    found = guess([folder / "train.jsonl"], task)
    return RowSource(task, found.answer(["train.jsonl"], ["held-out.jsonl"]), found.summary, files)


@no_project_yet()
def user_rows(
    data: str | Path | Sequence[str],
    task: str | None,
    turns: Turns = None,
    part: str | None = None,
    reading: ReadingOptions = LOOK,
) -> RowSource:
    """Return the user's own rows: a file, a folder, or a dataset of the hub.

    Args:
        data: a path, ``owner/name[@revision]``, or ``hf://datasets/owner/name/path``; or the paths
            of several files. ``book.xlsx#Sheet`` is a sheet of a workbook.
        task: None: whichever task fits them.
        turns: the user's and the assistant's, or their columns, where they are known.
        part: of a dataset of the hub, where it has several.
        reading: how files are read where that cannot be seen.

    Raises:
        ScaffoldError: they cannot be read, or do not fit the task.
    """
    if not isinstance(data, (str, Path)):
        return _from_files(normal_files(data, reading), task, turns)
    if isinstance(data, str):
        data = hub_address(data)
    if dataset_hub.is_hub_id(str(data)):
        if reading != LOOK:
            raise ScaffoldError(
                "Files on the hub are read in place: as UTF-8, and with their header.",
                where="--data",
                fix="download the files and give their folder to --data",
            )
        there = dataset_hub.find(str(data), part)
        found, answer, summary, _ = _split(there.splits, there.address, there.address, task, turns)
        return _source(found, answer, f"{there.repo} at {there.commit[:12]}: {summary}")
    path = Path(data).expanduser()
    if path.is_dir():
        return _from_folder(path, task, turns, reading)
    return _from_files(normal_files([data], reading), task, turns)


def chosen_rows(answers: Mapping[str, Any], reading: ReadingOptions = LOOK) -> RowSource | None:
    """Return the rows that answers to copier.yml's questions name, or None where they name none.

    Raises:
        ScaffoldError: they cannot be read, or do not fit what the answers say of them.
    """
    names = NamedColumns(answers.get("prompt") or "", answers.get("answer") or "")
    choices = {name: answers[name] for name in LABEL_QUESTIONS if answers.get(name)}
    data = answers.get("data")
    if not data:
        named = dict(zip(("prompt", "answer"), names, strict=True)) | choices
        for name in filter(named.get, named):
            flag = template.questions()[name].flag
            raise ScaffoldError(
                f"{flag} applies only to your own rows.", where=flag, fix="add --data"
            )
        return None
    source = user_rows(data, answers.get("task"), names, reading=reading)
    if not choices:
        return source
    if not source.label_table.labels:
        flag = template.questions()[next(iter(choices))].flag
        what = f"Rows for {source.task} have no labels."
        raise ScaffoldError(what, where=flag, fix=f"omit {flag}")
    return source.with_label_choices(**choices)


def _from_files(normal: Sequence[NormalFile], task: str | None, turns: Turns) -> RowSource:
    found = guess([one.path for one in normal], task, turns)
    files: dict[str, Path] = {}
    for one in normal:
        name = plain_name(one.name)
        while name in files:  # from another folder
            name = f"more-{name}"
        files[name] = one.path
    answer = found.answer(list(files), HELD_OUT_FRACTION)
    summary = f"{', '.join(one.name for one in normal)}: {found.summary}"
    return _source(found, answer, summary, files, normal)


def _source(
    found: Guess,
    answer: dict[str, Any],
    summary: str,
    files: Mapping[str, Path] | None = None,
    normal: Sequence[NormalFile] = (),
) -> RowSource:
    notes = (*(note for one in normal for note in one.notes), *found.notes)
    table = found.label_table
    return RowSource(
        found.task, answer, summary, files or {}, table, notes, found.other_task, found.tool_rows
    )


def _in_folder(
    folder: Path, reading: ReadingOptions
) -> tuple[dict[str, Path], Splits, list[NormalFile]]:
    """Return the files by their names below the folder, and by split where they name one."""
    paths = data_files([folder])
    normal = [normal_file(path, reading) for path in paths]
    files = {
        path.relative_to(folder).with_name(one.name).as_posix(): one.path
        for path, one in zip(paths, normal, strict=True)
    }
    splits = by_name(files)
    sets = splits.train and (splits.validation or splits.test)
    return files, splits if sets else Splits(tuple(files)), normal


def _from_folder(
    folder: Path, task: str | None, turns: Turns, reading: ReadingOptions
) -> RowSource:
    files, splits, normal = _in_folder(folder, reading)
    name = plain_name(folder.resolve().name)
    found, answer, summary, used = _split(
        splits, files.__getitem__, f"{name}/{{}}".format, task, turns
    )
    if len(used) == len(splits.train) == len(files):
        answer["train"] = [name]
    copied = {f"{name}/{file}": files[file] for file in used}
    return _source(found, answer, f"{folder.resolve().name}: {summary}", copied, normal)


def _split(
    splits: Splits,
    source: Callable[[str], Path | str],
    named: Callable[[str], str],
    task: str | None,
    turns: Turns,
) -> tuple[Guess, dict[str, Any], str, Sequence[str]]:
    """Guess on the training files, and take validation and test files that have answers.

    Args:
        source: where a file is read from.
        named: how dataset.yaml names it.

    Returns:
        The guess, copier's answer, what was found in words, and the files used.
    """
    found = guess([source(name) for name in splits.train], task, turns)
    sets = {VALIDATION: splits.validation, TEST: splits.test}
    used = {
        name: files
        for name, files in sets.items()
        if files and is_labelled([source(file) for file in files], found)
    }
    others = [file for files in used.values() for file in files]
    found = with_held_out(found, [source(file) for file in others])
    summary = f"{found.summary}; {_said(used)}" if used else found.summary
    unanswered = [f"{name} (no answers)" for name in sets if sets[name] and name not in used]
    if unused := [*splits.others, *unanswered]:
        summary += f"; not used: {', '.join(unused)}"
    answer = found.answer(
        list(map(named, splits.train)),
        list(map(named, used.get(TEST, ()))) or HELD_OUT_FRACTION,
        list(map(named, used.get(VALIDATION, ()))) or AUTO,
    )
    return found, answer, summary, [*splits.train, *others]


def _said(used: Mapping[str, Sequence[str]]) -> str:
    """Say which split is what, and which rows are held out where no file has them."""
    validates = f"the {VALIDATION} split validates"
    is_held_out = f"the {TEST} split is held out"
    if TEST not in used:
        return f"{validates}; {HELD_OUT_FRACTION:.0%} of the train split is held out"
    return f"{validates}; {is_held_out}" if VALIDATION in used else is_held_out
