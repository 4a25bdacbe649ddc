"""datasets/dataset.yaml: the only home of columns, turns and splits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi3scaffold.errors import ScaffoldError
from phi3scaffold.project import read_yaml

TASKS = ("classify", "qa", "chat")
KEYS = frozenset(
    {"task", "files", "turns", "messages", "system", "labels", "max_tokens", "seed"},
)


@dataclass(frozen=True)
class DatasetSpec:
    """What the rows are and which chat turns they become.

    Attributes:
        path: the dataset.yaml itself.
        task: one of `TASKS`.
        train: absolute paths of the training files.
        held_out: absolute paths of the held-out files, or the share of `train` to hold out.
        user, assistant: the two turns with ``{column}`` in them; empty where `messages` is set.
        messages: the column that holds whole conversations, or None.
        system: the system prompt, or None.
        labels: the allowed answers of a classification, or ().
        max_tokens: rows longer than this are dropped and counted.
        seed: decides the split.
    """

    path: Path
    task: str
    train: tuple[Path, ...]
    held_out: tuple[Path, ...] | float
    user: str
    assistant: str
    messages: str | None
    system: str | None
    labels: tuple[str, ...]
    max_tokens: int
    seed: int

    @property
    def files(self) -> tuple[Path, ...]:
        held = self.held_out if isinstance(self.held_out, tuple) else ()
        return (*self.train, *held)


def load_spec(path: Path) -> DatasetSpec:
    """Read dataset.yaml. Raises ScaffoldError naming the key that is wrong."""
    raw = read_yaml(path)
    unknown = sorted(set(raw) - KEYS)
    if unknown:
        raise _wrong(path, unknown[0], "Unknown key.", f"known keys: {', '.join(sorted(KEYS))}")
    task = raw.get("task")
    if task not in TASKS:
        raise _wrong(path, "task", f"Unknown task {task!r}.", f"one of: {', '.join(TASKS)}")
    files = raw.get("files")
    if not isinstance(files, dict) or "train" not in files:
        raise _wrong(path, "files", "The files are missing.", "files: {train: [rows.jsonl]}")
    messages = raw.get("messages")
    user = assistant = ""
    if messages is None:
        user, assistant = _two_turns(raw.get("turns"), path)
    elif not isinstance(messages, str):
        raise _wrong(path, "messages", "It names a column.", "messages: messages")
    return DatasetSpec(
        path=path,
        task=task,
        train=_paths(files["train"], path, "files.train"),
        held_out=_held_out(files.get("held_out", 0.2), path),
        user=user,
        assistant=assistant,
        messages=messages,
        system=_optional_text(raw.get("system"), path, "system"),
        labels=_labels(raw.get("labels"), task, path),
        max_tokens=_whole(raw.get("max_tokens", 512), path, "max_tokens"),
        seed=_whole(raw.get("seed", 42), path, "seed", least=0),
    )


def _wrong(path: Path, key: str, what: str, fix: str | None = None) -> ScaffoldError:
    return ScaffoldError(what, where=f"{path}: {key}", fix=fix)


def _paths(value: Any, path: Path, key: str) -> tuple[Path, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise _wrong(path, key, "It must be a list of file names.", f"{key}: [rows.jsonl]")
    return tuple((path.parent / name).resolve() for name in names)


def _held_out(value: Any, path: Path) -> tuple[Path, ...] | float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not 0 < value < 1:
            raise _wrong(path, "files.held_out", f"A share lies between 0 and 1, not {value}.")
        return float(value)
    return _paths(value, path, "files.held_out")


def _two_turns(turns: Any, path: Path) -> tuple[str, str]:
    example = 'turns: [{user: "{question}"}, {assistant: "{answer}"}]'
    if not isinstance(turns, list) or len(turns) != 2:
        raise _wrong(path, "turns", "It must be a user turn and an assistant turn.", example)
    texts = []
    for index, role in enumerate(("user", "assistant")):
        turn = turns[index]
        if not isinstance(turn, dict) or not isinstance(turn.get(role), str):
            raise _wrong(path, f"turns[{index}]", f"It must be a {role} turn.", example)
        texts.append(turn[role])
    return texts[0], texts[1]


def _optional_text(value: Any, path: Path, key: str) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    raise _wrong(path, key, "It must be text.")


def _labels(value: Any, task: str, path: Path) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len({str(v) for v in value}) != len(value):
        raise _wrong(path, "labels", "It must be a list of different labels.")
    if task == "classify" and len(value) < 2:
        raise _wrong(path, "labels", "A classification needs at least two labels.")
    return tuple(str(label) for label in value)


def _whole(value: Any, path: Path, key: str, least: int = 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise _wrong(path, key, f"It must be a whole number of at least {least}, not {value!r}.")
    return value
