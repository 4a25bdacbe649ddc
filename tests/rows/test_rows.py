"""Rows become conversations, or one error that names the line."""

import json
from pathlib import Path

import pytest

from phi3scaffold.errors import ScaffoldError
from phi3scaffold.rows.read import read_rows
from phi3scaffold.rows.spec import load_spec
from phi3scaffold.rows.turns import fill
from phi3scaffold.runtime.data.split import Splits, load_splits

CLASSIFY = """
task: classify
files: {train: [rows.jsonl], held_out: 0.25}
turns:
  - user: "{phrase}\\nTone:"
  - assistant: "{tone}"
labels: [joy, fear]
"""


def write_rows(folder: Path, rows: list) -> Path:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def load(folder: Path, yaml: str = CLASSIFY) -> Splits:
    (folder / "dataset.yaml").write_text(yaml, encoding="utf-8")
    return load_splits(load_spec(folder / "dataset.yaml"))


def rows(count: int) -> list[dict[str, str]]:
    return [{"phrase": f"phrase {i}", "tone": ("joy", "fear")[i % 2]} for i in range(count)]


def test_a_share_is_held_out_of_each_label(tmp_path: Path) -> None:
    write_rows(tmp_path, rows(40))
    splits = load(tmp_path)
    assert len(splits.train) == 30
    assert sorted(row.answer for row in splits.held_out) == ["fear"] * 5 + ["joy"] * 5


def test_the_split_is_the_same_every_time(tmp_path: Path) -> None:
    write_rows(tmp_path, rows(40))
    first = [row.place for row in load(tmp_path).held_out]
    assert [row.place for row in load(tmp_path).held_out] == first


def test_the_same_prompt_never_straddles_the_split(tmp_path: Path) -> None:
    doubled = [dict(row, phrase=f"phrase {i // 4}") for i, row in enumerate(rows(80))]
    write_rows(tmp_path, doubled)
    splits = load(tmp_path)
    train = {row.values["phrase"] for row in splits.train}
    assert train.isdisjoint(row.values["phrase"] for row in splits.held_out)


def test_turns_are_filled_from_columns(tmp_path: Path) -> None:
    write_rows(tmp_path, rows(8))
    row = load(tmp_path).train[0]
    assert row.messages[0] == {"role": "user", "content": f"{row.values['phrase']}\nTone:"}
    assert row.messages[1]["role"] == "assistant"


def test_braces_that_are_no_column_stay() -> None:
    assert fill("{a} {b} {", {"a": "x"}) == "x {b} {"


def test_dropped_rows_are_counted_with_reason_and_place(tmp_path: Path) -> None:
    write_rows(tmp_path, [*rows(8), {"phrase": "x", "tone": ""}, rows(1)[0]])
    dropped = [(row.place.rsplit(":", 1)[1], row.reason) for row in load(tmp_path).dropped]
    assert dropped == [("9", "empty answer"), ("10", "the same as an earlier row")]


def test_a_held_out_row_that_is_in_train_is_dropped(tmp_path: Path) -> None:
    write_rows(tmp_path, rows(8))
    (tmp_path / "held.jsonl").write_text(
        json.dumps({"phrase": "Phrase  1", "tone": "fear"})
        + "\n"
        + json.dumps({"phrase": "new", "tone": "joy"})
    )
    splits = load(tmp_path, CLASSIFY.replace("0.25", "[held.jsonl]"))
    assert [row.values["phrase"] for row in splits.held_out] == ["new"]
    assert splits.dropped[0].reason == "held-out row also in train"


def test_csv_with_bom_crlf_and_quotes(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes('\ufeffphrase,tone\r\n"a, b\nc",joy\r\n'.encode())
    assert [row.values for row in read_rows((file,))] == [{"phrase": "a, b\nc", "tone": "joy"}]


BAD = {
    "not json": (b'{"phrase": "a", "tone": "joy"}\n{"phrase": \n', "Not valid JSON", ":2"),
    "not an object": (b"[1]\n", "must be a JSON object", ":1"),
    "empty": (b"", "holds no rows", "rows.jsonl"),
    "only blank lines": (b"\n\n", "holds no rows", "rows.jsonl"),
    "not utf-8": (b'{"phrase": "\xff", "tone": "joy"}\n', "not UTF-8", "rows.jsonl"),
    "a missing column": (b'{"phrse": "a", "tone": "joy"}\n', "lacks the column 'phrase'", ":1"),
    "a number": (b'{"phrase": 3, "tone": "joy"}\n', "not text", ":1"),
    "an unknown label": (b'{"phrase": "a", "tone": "jou"}\n', "is not one of", ":1"),
    "one label": (
        b'{"phrase": "a", "tone": "joy"}\n{"phrase": "b", "tone": "joy"}\n'
        b'{"phrase": "c", "tone": "joy"}\n',
        "the same label",
        "rows.jsonl",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_rows_name_the_place(tmp_path: Path, name: str) -> None:
    content, what, where = BAD[name]
    (tmp_path / "rows.jsonl").write_bytes(content)
    with pytest.raises(ScaffoldError, match=what) as caught:
        load(tmp_path)
    assert caught.value.exit_code == 2
    assert where in (caught.value.where or "")


def test_a_near_column_is_suggested(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"phrases": "a", "tone": "joy"}\n')
    with pytest.raises(ScaffoldError) as caught:
        load(tmp_path)
    assert "'phrases'" in (caught.value.fix or "")


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError, match="missing"):
        load(tmp_path)


BAD_YAML = {
    "task": ("task: classify", "task: sort", "Unknown task"),
    "unknown key": ("task: classify", "task: classify\ncolumn: x", "Unknown key"),
    "share": ("0.25", "1.5", "between 0 and 1"),
    "labels": ("[joy, fear]", "[joy]", "at least two labels"),
    "turns": ("assistant:", "bot:", "assistant turn"),
    "syntax": ("turns:", "turns: [", "Not valid YAML"),
}


@pytest.mark.parametrize("name", BAD_YAML)
def test_a_bad_dataset_yaml_names_the_key(tmp_path: Path, name: str) -> None:
    old, new, what = BAD_YAML[name]
    write_rows(tmp_path, rows(8))
    with pytest.raises(ScaffoldError, match=what) as caught:
        load(tmp_path, CLASSIFY.replace(old, new))
    assert "dataset.yaml" in (caught.value.where or "")
    assert caught.value.exit_code == 2


def test_conversations_must_alternate(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    write_rows(tmp_path, [{"messages": turns}] * 2)
    yaml = "task: chat\nfiles: {train: [rows.jsonl], held_out: 0.5}\nmessages: messages\n"
    with pytest.raises(ScaffoldError, match="user, assistant"):
        load(tmp_path, yaml)


def test_a_system_prompt_stands_first(tmp_path: Path) -> None:
    write_rows(tmp_path, rows(8))
    splits = load(tmp_path, CLASSIFY + "system: Be brief.\n")
    assert splits.train[0].messages[0] == {"role": "system", "content": "Be brief."}
