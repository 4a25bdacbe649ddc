"""Files as people have them, through the front door: what is read, learned, named and refused."""

from __future__ import annotations

import importlib
import io
import json
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main
from phi3scaffold.cli.ui import data_screen
from phi3scaffold.datasets.preparation import prepare
from phi3scaffold.datasets.prepared_rows import Prepared
from phi3scaffold.datasets.rendering import IGNORE
from phi3scaffold.datasets.spec import load_spec
from phi3scaffold.models.catalogue import tiny_folder
from phi3scaffold.pipeline.events import ignore
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.layout import DROPPED_ROWS

from .ordinary_files import ENTRIES
from .ordinary_files.entry import Entry, Read, Refused, Turn


def cases(kind: type) -> list[Any]:
    """Return the entries of that outcome."""
    return [pytest.param(one, id=one.name) for one in ENTRIES if isinstance(one.outcome, kind)]


class Outcome(NamedTuple):
    """What `new` and `data` made of a file and printed."""

    code: int
    said: str
    error: str
    project: Path


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No terminal, and no wheel of the runtime: nothing here runs in the project."""
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    module = importlib.import_module("phi3scaffold.generator.new")  # not the function
    monkeypatch.setattr(module, "write_wheel", lambda *_, **__: None)


def new(entry: Entry, folder: Path, capsys: pytest.CaptureFixture[str]) -> Outcome:
    """Type `phi3scaffold new` for a file."""
    (folder / "mine").mkdir()
    data = entry.put(folder / "mine")
    words = ["new", str(folder / "proj"), "--model", "tiny", "--defaults", "--no-git"]
    code = main(VERBS, [*words, "--data", str(data), *entry.options])
    printed = capsys.readouterr()
    return Outcome(code, printed.out, printed.err, folder / "proj")


def data(project: Path) -> tuple[Path, dict[str, Any]]:
    """Prepare a project's rows as `phi3scaffold data` does, in this process."""
    out = project.parent / "out"
    out.mkdir()
    spec = load_spec(project / "datasets" / "dataset.yaml")
    report = prepare(spec, tiny_folder(), out, project.parent / "scratch", ignore, workers=0)
    return out, report


def by_place(folder: Path) -> list[tuple[str, list[int], list[int]] | str]:
    """Return each row of the file in its order: place, ids and labels, or why it is left out."""
    found: dict[tuple[str, int], Any] = {}
    for file in folder.glob("*.arrow"):
        rows = Prepared(folder, file.stem)
        for index in range(len(rows)):
            ids, labels = rows[index]
            found[_key(rows.place(index))] = (rows.place(index), ids.tolist(), labels.tolist())
    for line in (folder / DROPPED_ROWS).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found[_key(row["place"])] = row["reason"]
    return [found[key] for key in sorted(found)]


def _key(place: str) -> tuple[str, int]:
    file, _, line = place.rpartition(":")
    return file, int(re.sub(r"\D", "", line))


def rendered(turns: tuple[Turn, ...]) -> list[tuple[str, bool]]:
    """Return what tiny's chat template makes of turns, in runs that are learned or not.

    Nothing stands behind the last run that is learned.
    """
    pieces: list[tuple[str, bool]] = []
    for role, text, learned in turns:
        pieces += [(f"<|{role}|>\n", False), (f"{text}<|end|>", learned), ("\n", False)]
    runs = joined(pieces)
    return runs if runs[-1][1] else runs[:-1]


def joined(pieces: list[tuple[str, bool]]) -> list[tuple[str, bool]]:
    runs: list[tuple[str, bool]] = []
    for text, learned in pieces:
        if runs and runs[-1][1] == learned:
            text = runs.pop()[0] + text
        runs.append((text, learned))
    return runs


@pytest.fixture(scope="module")
def decode() -> Any:
    """``decode(ids, labels)``: the row's text in runs that are learned or not."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tiny_folder() / "tokenizer.json"))

    def decode(ids: list[int], labels: list[int]) -> list[tuple[str, bool]]:
        runs: list[tuple[list[int], bool]] = []
        for token, label in zip(ids, labels, strict=True):
            if not runs or runs[-1][1] != (label != IGNORE):
                runs.append(([], label != IGNORE))
            runs[-1][0].append(token)
        return [(tokenizer.decode(run, skip_special_tokens=False), is_on) for run, is_on in runs]

    return decode


@pytest.mark.parametrize("entry", cases(Read))
def test_read(entry: Entry, tmp_path: Path, capsys: Any, decode: Any) -> None:
    """Every row is learned as it must be, or left out for a reason; all else is named."""
    wanted = entry.outcome
    assert isinstance(wanted, Read)
    code, said, error, project = new(entry, tmp_path, capsys)
    assert code == 0, error
    out, report = data(project)
    data_screen.show(report, out)
    screen = _plain(capsys.readouterr().out)
    assert report["task"] == wanted.task
    assert len(by_place(out)) == len(wanted.rows)
    for found, turns in zip(by_place(out), wanted.rows, strict=True):
        if isinstance(found, str) or isinstance(turns, str):
            assert found == turns
        else:
            assert decode(*found[1:]) == rendered(turns), found[0]
    assert report["unused"]["columns"] | report["unused"]["turn_keys"] == dict(wanted.unused)
    said = _plain(said)
    for name, rows in wanted.unused.items():
        assert f"`{name.lower()}`" in said
        assert re.search(rf"{re.escape(name.lower())}[^;]*: {rows} rows?", screen), name
    for fragment in wanted.said:
        assert fragment in said
    for fragment in wanted.seen:
        assert fragment in screen
    if wanted.labels:
        assert load_spec(project / "datasets" / "dataset.yaml").labels == wanted.labels


@pytest.mark.parametrize("entry", cases(Refused))
def test_refused(entry: Entry, tmp_path: Path, capsys: Any) -> None:
    """One message that says what the file is and what to do; nothing is left behind."""
    wanted = entry.outcome
    assert isinstance(wanted, Refused)
    code, said, error, project = new(entry, tmp_path, capsys)
    if wanted.said:
        assert code == 0, error
        assert all(fragment in _plain(said) for fragment in wanted.said)
        with pytest.raises(ScaffoldError) as caught:
            data(project)
        assert caught.value.exit_code == 2
        message = _plain(f"error: {caught.value}")
    else:
        assert code == 2, said
        assert not project.exists()
        message = _plain(error)
        assert "dataset.yaml" not in message
    assert message.startswith("error: ") and "traceback" not in message
    for fragment in (*wanted.says, *wanted.fix):
        assert fragment in message


def test_every_kind_of_file_has_a_source_and_a_name_of_its_own() -> None:
    names = [entry.name for entry in ENTRIES]
    assert len(set(names)) == len(names)
    assert all(entry.source.startswith("https://") for entry in ENTRIES)


def _plain(printed: str) -> str:
    """Return what was printed in small letters, on one line."""
    return re.sub(r"\s+", " ", printed).lower()
