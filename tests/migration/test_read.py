"""Copied configs: what is taken out, what is refused, and at which line."""

from __future__ import annotations

from pathlib import Path

import pytest

from phi3scaffold import migration
from phi3scaffold.migration.old_config import is_placeholder
from phi3scaffold.project.errors import ScaffoldError

SAMPLES = Path(__file__).with_name("samples")

# text, line, what the message must hold
BROKEN: dict[str, tuple[str, int, list[str]]] = {
    "a comma is missing": ('{\n  "host": "a"\n  "target": "b"\n}', 2, ["comma is missing"]),
    "far from the next key": ('{\n  "host": "a"\n\n\n  "target": "b"\n}', 2, ["comma"]),
    "unfilled": ('{\n  "passes": {\n    "r": <lora_r>\n  }\n}', 3, ["<lora_r>", "never filled"]),
    "unfilled, in braces": ('{\n "r": {{ rank }}}', 2, ["{{ rank }}", "never filled"]),
    "single quotes": ("{\n  'host': 'a'\n}", 2, ["quotation mark '"]),
    "curly quotes": ("{\n  \u201chost\u201d: 1\n}", 2, ["quotation mark \u201c"]),
    "python": ('{\n  "a": 1,\n  "search": False\n}', 3, ["False is Python", "write false"]),
    "left out": ('{\n  "systems": {\n    ...\n  }\n}', 3, ["left out"]),
    "fences": ("```json\n{}\n```\n", 1, ["fence of Markdown"]),
    "cut off": ('{\n  "passes": {\n    "lora": {}\n\n\n', 3, ["ends before its brackets"]),
    "a path of Windows": ('{\n  "cache_dir": "C:\\models"\n}', 2, ["single \\"]),
    "an open text": ('{\n  "host": "a\n}', 2, ["over the end of its line"]),
    "empty": ("", 1, ["empty"]),
    "after a comment": ('// one\n/* two\nthree */\n{\n  "a": 1 "b": 2\n}', 5, ["comma"]),
    "anything else": ('{\n  "a" 1\n}', 2, ["Not valid JSON", "':'"]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_it_says_what_is_wrong_at_its_line(name: str, tmp_path: Path) -> None:
    text, line, wanted = BROKEN[name]
    path = tmp_path / "old.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScaffoldError) as caught:
        migration.read(path)
    assert caught.value.exit_code == 2
    assert caught.value.where == f"{path}:{line}"
    assert caught.value.fix
    for part in wanted:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("not there", None, "does not exist"),
        ("not UTF-8", b'{"a": "\xff"}', "Not UTF-8"),
        ("a list", b"[1]", "no Olive config"),
        ("another file", b'{"name": "x", "version": 1}', "no Olive config"),
        ("of today", b'{"passes": {}, "type": "phi3scaffold_rows"}', "of today"),
        ("too deep", b'{"passes": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too deeply"),
    ],
)
def test_files_that_are_no_config(
    name: str, content: bytes | None, wanted: str, tmp_path: Path
) -> None:
    path = tmp_path / "old.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ScaffoldError, match=wanted):
        migration.read(path)


def test_a_folder_is_no_config(tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError, match="folder") as caught:
        migration.read(tmp_path)
    assert caught.value.where == str(tmp_path)


def test_comments_and_spare_commas_are_taken_out_and_noted() -> None:
    old = migration.read(SAMPLES / "messy.json")
    notes = {(note.line, note.text.split(", which")[0]) for note in old.notes}
    assert {line for line, text in notes if text == "a comment"} == {1, 3, 4, 10}
    commas = {line for line, text in notes if text == "a comma before a closing bracket"}
    assert commas == {9, 12, 15, 17}
    assert (15, "passes.lora.lora_r stands here a second time; the last one counts") in notes
    assert old.content["passes"]["lora"]["lora_r"] == 16
    template = old.content["data_configs"][0]["pre_process_data_config"]["text_template"]
    assert template == "{Question} // {Best Answer} # not a comment"


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.json")), ids=lambda path: path.name)
def test_every_field_has_the_line_where_its_key_stands(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    for leaf in migration.read(path).leaves:
        key = next(key for key in reversed(leaf.path) if isinstance(key, str))
        assert f'"{key}"' in lines[leaf.line - 1], leaf


def test_yaml_is_read_too() -> None:
    old = migration.read(SAMPLES / "olive.yaml")
    assert {leaf.name: leaf.line for leaf in old.leaves}["passes.lora.r"] == 15


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Your Azure Subscription ID", True),
        ("your-compute", True),
        ("<output_dir>", True),
        ("${HOME}", True),
        ("xxx", True),
        ("cache", False),
        ("<|user|>\n{a}<|end|>", False),
        ("Your task: {text}\n{label}", False),
        ("yours", False),
        (3, False),
    ],
)
def test_placeholders(text: object, answer: bool) -> None:
    assert is_placeholder(text) is answer
