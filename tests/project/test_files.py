"""A file is written whole or not at all, and an error names the file and the line."""

import json
from pathlib import Path

import pytest

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import read_json, try_json, whole_file, write_json, write_whole


def test_a_file_is_replaced_and_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "script.sh"
    write_whole(path, "echo ä\n")
    path.chmod(0o750)
    write_whole(path, b"echo b\n")
    assert path.read_bytes() == b"echo b\n"
    assert path.stat().st_mode & 0o777 == 0o750
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("durable", [False, True])
def test_a_failure_changes_nothing(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt), whole_file(path, durable=durable) as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]
    with whole_file(path, durable=durable) as part:
        part.write_text("after")
    assert path.read_text() == "after" and list(tmp_path.iterdir()) == [path]


def test_json_goes_to_disk_and_back(tmp_path: Path) -> None:
    path, content = tmp_path / "x.json", {"text": "ä\ud800", "number": 1.5}
    write_json(path, content)
    assert path.read_text().endswith("}\n") and read_json(path) == content


@pytest.mark.parametrize(
    "text", [None, "[1]", '{"a": 1,\n b}', "\ud800", '{"a": ' + "1" * 5000 + "}"]
)
def test_what_is_no_json_object(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "x.json"
    if text is not None:
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert try_json(path) == {}
    with pytest.raises(ScaffoldError) as caught:
        read_json(path)
    assert str(path) in str(caught.value.where)
    assert (f"{path}:2" == caught.value.where) is (text is not None and "b}" in text)


def test_a_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"text": "ä"}, ensure_ascii=False), encoding="utf-8")
    assert read_json(path) == {"text": "ä"}
