"""A made-up format, declared in one place, is read wherever data files are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import form_options, main
from phi3scaffold.datasets import dataset_hub
from phi3scaffold.datasets.files import data_files
from phi3scaffold.datasets.formats import registry
from phi3scaffold.datasets.formats.byte_stream import Meter, open_bytes
from phi3scaffold.datasets.formats.format import Format, Rows
from phi3scaffold.datasets.reader import read_rows
from phi3scaffold.generator.row_source import user_rows
from phi3scaffold.project.errors import ScaffoldError
from tests.datasets.conftest import CLASSIFY, labelled, run
from tests.support.echo import CHAT, Echo


def cards(file: Path, meter: Meter) -> Rows:
    """Read `name: value` lines; an empty line ends a row."""
    with open_bytes(file, meter) as stream:
        blocks = stream.read().decode().strip().split("\n\n")
    for number, block in enumerate(blocks, 1):
        yield number, dict(line.split(": ", 1) for line in block.splitlines())


CARDS = Format((".cards",), cards)


def write(file: Path, rows: list[dict[str, str]]) -> Path:
    blocks = ("\n".join(f"{name}: {value}" for name, value in row.items()) for row in rows)
    file.write_text("\n\n".join(blocks) + "\n")
    return file


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "FORMATS", (*registry.FORMATS, CARDS))


def test_its_rows_are_read_and_a_folder_lists_its_files(tmp_path: Path) -> None:
    rows = [{"text": "one", "id": "1"}, {"text": "two", "id": "2"}]
    file = write(tmp_path / "Rows.CARDS", rows)
    assert data_files([tmp_path]) == (file,)
    assert [(row.line, row.values) for row in read_rows([file])] == list(enumerate(rows, 1))


def test_messages_name_it(tmp_path: Path) -> None:
    (tmp_path / "rows.xyz").touch()
    with pytest.raises(ScaffoldError) as raised:
        data_files([tmp_path])
    assert ".cards" in (raised.value.fix or "")


def test_the_hub_lists_it_and_a_file_name_is_no_dataset() -> None:
    assert dataset_hub._readable(["a.cards", "b.bin"], "owner/name") == ["a.cards"]
    assert not dataset_hub.is_hub_id("folder/rows.cards.gz")


def test_help_lists_it(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("new", "infer"):
        with pytest.raises(SystemExit):
            main(VERBS, [verb, "--help"])
        assert ".cards" in capsys.readouterr().out


def test_new_detects_columns_and_splits(tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    rows = [{str(name): str(value) for name, value in row.items()} for row in labelled(40)]
    write(folder / "train.cards", rows[:30])
    write(folder / "test.cards", rows[30:])
    found = user_rows(folder, None)
    assert found.task == "classify"
    assert found.answer["train"] == ["rows/train.cards"]
    assert found.answer["held_out"] == ["rows/test.cards"]
    assert found.answer["columns"] == ["phrase"]


def test_data_prepares_it(tmp_path: Path) -> None:
    folder = tmp_path / "datasets"
    folder.mkdir()
    write(folder / "train.cards", labelled(40))
    (folder / "dataset.yaml").write_text(CLASSIFY.replace("train.jsonl", "train.cards"))
    prepared = run(folder / "dataset.yaml", tmp_path / "out", tmp_path / "scratch")
    assert len(prepared.train) + len(prepared.held_out) == 40


def test_infer_reads_it_and_writes_no_text_under_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(form_options, "open_form", lambda *_, **__: Echo(CHAT))
    (tmp_path / "project.yaml").write_text("model: {id: tiny}\n")
    file = write(tmp_path / "prompts.cards", [{"message": "one"}, {"message": "two"}])
    assert main(VERBS, ["infer", "--input", str(file), "--json"]) == 0
    answers = [json.loads(line)["answer"] for line in capsys.readouterr().out.splitlines()]
    assert answers == ["ONE", "TWO"]
    place = str(tmp_path / "answers.cards")
    assert main(VERBS, ["infer", "--input", str(file), "--output", place]) == 2
