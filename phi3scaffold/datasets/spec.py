"""datasets/dataset.yaml: the only home of columns, turns and splits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from phi3scaffold.datasets.dataset_hub import ADDRESS
from phi3scaffold.datasets.files import data_files
from phi3scaffold.datasets.labels import LabelLookup
from phi3scaffold.datasets.message_format import Messages, parse_messages
from phi3scaffold.datasets.spec_keys import refuse_unknown as _refuse_unknown
from phi3scaffold.datasets.spec_keys import wrong as _wrong
from phi3scaffold.datasets.split import AUTO
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import read_yaml

TASKS = ("classify", "qa", "chat")
LONG_ROWS = ("drop", "truncate")
KEYS = (
    "task", "files", "turns", "history", "messages", "system", "labels", "label_variants",
    "missing_labels", "max_tokens", "long_rows", "seed",
)  # fmt: skip
FILES_KEYS = ("train", "validation", "held_out")
TURNS = 'turns: [{user: "{question}"}, {assistant: "{answer}"}]'
Sources = tuple[Path | str, ...]


@dataclass(frozen=True)
class DatasetSpec:
    """What the rows are and which chat turns they become.

    Attributes:
        path: the dataset.yaml itself.
        task: one of `TASKS`.
        train: training files and folders (absolute paths), and addresses on the hub (``hf://``).
        held_out: the same for the held-out rows, or the share of `train` to hold out.
        validation: the same for the validation rows; `AUTO`; or None for no validation set.
        user, assistant: the two turns with ``{column}`` in them; empty where `messages` is set.
        messages: where whole conversations stand, or None.
        system: the system prompt, which may name columns, or None.
        history: the column of earlier pairs of question and answer, or None.
        labels: the allowed answers of a classification, or ().
        label_variants: label -> other spellings in the rows that are read as it.
        missing_labels: texts that say that a row has no label.
        max_tokens: no row is longer than this.
        long_rows: what becomes of longer rows, one of `LONG_ROWS`.
        seed: decides the split.
    """

    path: Path
    task: str
    train: Sources
    held_out: Sources | float
    user: str = ""
    assistant: str = ""
    messages: Messages | None = None
    system: str | None = None
    history: str | None = None
    labels: tuple[str, ...] = ()
    label_variants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    missing_labels: tuple[str, ...] = ()
    max_tokens: int = 512
    long_rows: str = "drop"
    seed: int = 42
    validation: Sources | float | str | None = AUTO

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file of rows on this disk, folders resolved.

        What lies on the hub is not among them: its address names a commit, so it cannot change.

        Raises:
            ScaffoldError: one is missing or not to be read.
        """
        return data_files(source for source in self.sources if isinstance(source, Path))

    @property
    def sources(self) -> Sources:
        """Every file, folder and address that it names, in the order they are read."""
        named = (self.train, self.validation, self.held_out)
        return tuple(source for one in named if isinstance(one, tuple) for source in one)

    def label_of(self, text: str) -> str | None:
        """Return the label that a text is read as: "" for no label, None where that is unknown."""
        return self._lookup.label_of(text)

    @cached_property
    def _lookup(self) -> LabelLookup:
        return LabelLookup(self.labels, self.label_variants, self.missing_labels)


def load_spec(path: Path) -> DatasetSpec:
    """Read dataset.yaml. Raises ScaffoldError naming the key that is wrong."""
    raw = read_yaml(path)
    # not resolve(): where links lead is the user's own affair
    folder = Path(os.path.normpath(path.parent.absolute()))
    try:
        return _spec(raw, path, folder)
    except ScaffoldError as error:
        raise ScaffoldError(error.what, where=f"{path}: {error.where}", fix=error.fix) from None


def _spec(raw: Mapping[str, Any], path: Path, folder: Path) -> DatasetSpec:
    """Return the spec, or raise an error whose `where` is the key."""
    _refuse_unknown(raw, KEYS)
    task = _one_of(raw.get("task"), TASKS, "task")
    files = raw.get("files")
    if not isinstance(files, dict) or "train" not in files:
        raise _wrong("files", "The files are missing.", "files: {train: [rows.jsonl]}")
    _refuse_unknown(files, FILES_KEYS, "files.")
    messages = parse_messages(raw.get("messages"))
    if messages and raw.get("turns") is not None:
        raise _wrong("turns", "Both turns and messages are given.", "remove one of them")
    if messages and task == "classify":
        raise _wrong("messages", "A classification has turns, not messages.", TURNS)
    user, assistant = ("", "") if messages else _two_turns(raw.get("turns"))
    labels = _labels(raw.get("labels"), task)
    variants = _label_variants(raw.get("label_variants"), labels)
    return DatasetSpec(
        path=path,
        task=task,
        train=_sources(files["train"], folder, "files.train"),
        held_out=(held_out := _held_out(files.get("held_out", 0.2), folder)),
        validation=_validation(files.get("validation", AUTO), held_out, folder),
        user=user,
        assistant=assistant,
        messages=messages,
        system=_system(raw.get("system")),
        history=_history(raw.get("history"), user),
        labels=labels,
        label_variants=variants,
        missing_labels=_missing_labels(raw.get("missing_labels"), labels, variants),
        max_tokens=_whole(raw.get("max_tokens", 512), "max_tokens"),
        long_rows=_one_of(raw.get("long_rows", "drop"), LONG_ROWS, "long_rows"),
        seed=_whole(raw.get("seed", 42), "seed", least=0),
    )


def _one_of(value: Any, known: tuple[str, ...], key: str) -> str:
    if value not in known:
        raise _wrong(key, f"Unknown {key} {value!r}.", f"one of: {', '.join(known)}")
    return str(value)


def _sources(value: Any, folder: Path, key: str) -> Sources:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(n, str) and n for n in names):
        raise _wrong(key, "It must be a list of file names.", f"{key}: [rows.jsonl]")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise _wrong(key, f"{twice} is given twice.", "name each file once")
    return tuple(
        _address(name, key) if name.startswith("hf://") else _inside(name, folder, key)
        for name in names
    )


def _address(name: str, key: str) -> str:
    if not ADDRESS.fullmatch(name):
        raise _wrong(
            key,
            f"{name} is not a complete address of a file on the hub.",
            "hf://datasets/OWNER/NAME@COMMIT/PATH, the commit in full (40 hex digits)",
        )
    return name


def _inside(name: str, folder: Path, key: str) -> Path:
    """Return a path below datasets/; refuse others, which would not travel with the project."""
    if "\0" in name:
        raise _wrong(key, "A file name holds a NUL character.", "remove it")
    file = Path(os.path.normpath(folder / name))
    if not file.is_relative_to(folder):
        fix = "copy the file into that folder, or make a link to it there"
        raise _wrong(key, f"{name} lies outside {folder}.", fix)
    return file


def _held_out(value: Any, folder: Path) -> Sources | float:
    key = "files.held_out"
    share = _share(value, key, "held_out: 0.2, or a list of files")
    return _sources(value, folder, key) if share is None else share


def _validation(
    value: Any, held_out: Sources | float, folder: Path
) -> Sources | float | str | None:
    key, fix = "files.validation", "validation: auto, 0.1, a list of files, or null for none"
    if value is None or value == AUTO:
        return value
    share = _share(value, key, fix)
    if share is None:
        word = isinstance(value, str) and "." not in value and not (folder / value).exists()
        if word or not isinstance(value, (str, list)):
            what = f"It must be auto, a share, a list of file names or null, not {value!r:.50}."
            raise _wrong(key, what, fix)
        return _sources(value, folder, key)
    if isinstance(held_out, float) and held_out + share >= 1:
        what = f"With {held_out:g} of the rows held out, {share:g} leaves none to train."
        raise _wrong(key, what, fix)
    return share


def _share(value: Any, key: str, fix: str) -> float | None:
    """Return a share of the training files' rows; None where the value is no number."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    if not 0 < value < 1:
        raise _wrong(key, f"A share lies between 0 and 1, not {value}.", fix)
    return float(value)


def _two_turns(turns: Any) -> tuple[str, str]:
    from phi3scaffold.models.column_templates import columns_of

    if not isinstance(turns, list) or len(turns) != 2:
        raise _wrong("turns", "It must be a user turn and an assistant turn.", TURNS)
    texts = []
    for index, role in enumerate(("user", "assistant")):
        turn = turns[index]
        if not isinstance(turn, dict) or not isinstance(turn.get(role), str) or len(turn) > 1:
            raise _wrong(f"turns[{index}]", f"It must be the {role}'s turn.", TURNS)
        if not columns_of(turn[role]):
            raise _wrong(f"turns[{index}].{role}", "The turn names no {column}.", TURNS)
        texts.append(turn[role])
    return texts[0], texts[1]


def _system(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    raise _wrong("system", "It must be text.", 'system: "..." in quotes, or null')


def _history(value: Any, user: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise _wrong("history", "It must name a column.", "history: history, or null")
    if not user:
        raise _wrong("history", "A conversation has its own turns.", "history: null")
    return value


def _labels(value: Any, task: str) -> tuple[str, ...]:
    example = "labels: [joy, fear]"
    if value is None and task != "classify":
        return ()
    if not isinstance(value, list) or len({str(v) for v in value}) != len(value):
        raise _wrong("labels", "It must be a list of different labels.", example)
    for index, label in enumerate(value):
        if type(label) not in (str, int) or not str(label).strip():
            what = f"YAML reads this label as {label!r}, not as text."
            raise _wrong(f"labels[{index}]", what, "put it in quotes")
    if task == "classify" and len(value) < 2:
        raise _wrong("labels", "A classification needs at least two labels.", example)
    return tuple(map(str, value))


def _label_variants(value: Any, labels: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    key, example = "label_variants", 'label_variants: {joy: ["Joy", "JOY"]}'
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(key, "It must map labels to lists of their other spellings.", example)
    known = set(labels)
    found = {}
    for name, texts in value.items():
        label, at = str(name), f"{key}.{name}"
        if label not in labels:
            raise _wrong(
                at, f"{label!r} is not one of the labels.", "add it to labels, or remove it"
            )
        if not isinstance(texts, list):
            raise _wrong(at, "It must be a list of spellings.", example)
        found[label] = tuple(_spelling(text, f"{at}[{n}]", known) for n, text in enumerate(texts))
    return found


def _missing_labels(
    value: Any, labels: tuple[str, ...], variants: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    key = "missing_labels"
    if value is None:
        return ()
    if not isinstance(value, list) or not labels:
        what = "In a classification, it must be a list of texts that mean that a row has no label."
        raise _wrong(key, what, 'missing_labels: ["nan", "N/A"]')
    known = {*labels, *(text for texts in variants.values() for text in texts)}
    return tuple(_spelling(text, f"{key}[{n}]", known) for n, text in enumerate(value))


def _spelling(text: Any, key: str, known: set[str]) -> str:
    """Return a text of the label column, and add it to those that are `known`."""
    if type(text) not in (str, int):
        what = f"YAML reads this text as {text!r}, not as text."
        raise _wrong(key, what, "put it in quotes")
    if str(text) in known:
        what = f"{str(text)!r} is a label, or is listed twice."
        raise _wrong(key, what, "name each text once in labels, label_variants and missing_labels")
    known.add(str(text))
    return str(text)


def _whole(value: Any, key: str, least: int = 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        what = f"It must be a whole number of at least {least}, not {value!r}."
        raise _wrong(key, what, f"{key}: {512 if key == 'max_tokens' else 42}")
    return value
