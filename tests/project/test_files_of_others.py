"""Settings files that somebody else wrote cost no more than what they say."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import MOST_YAML, read_json, read_yaml
from phi3scaffold.project.key_locations import find_places

LAUGHS = "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{last}'] * 8)}]\n" for last, name in pairwise("abcdefgh")
)
CASES = {
    "aliases": (LAUGHS, 2, "an alias (*a) is not taken"),
    "a cycle": ("a: &a\n  b: *a\n", 2, "an alias (*a) is not taken"),
    "merge keys": ("a:\n  <<: {b: 1}\n", 2, "a merge key (<<) is not taken"),
    "a merged alias": ("a: &a {b: 1}\nc:\n  <<: *a\n", 3, "an alias (*a) is not taken"),
    "deep nesting": ("a: " + "[" * 5000 + "]" * 5000, 1, "more than 50 levels deep"),
}


@pytest.mark.parametrize("case", CASES)
def test_yaml_that_could_grow_is_refused(case: str, tmp_path: Path) -> None:
    text, line, why = CASES[case]
    path = tmp_path / "project.yaml"
    path.write_text(text)
    with pytest.raises(ScaffoldError) as refused:
        read_yaml(path)
    assert why in str(refused.value)
    assert refused.value.where == f"{path}:{line}"
    assert find_places(text).lines == {} or case == "merge keys"


@pytest.mark.parametrize("read", [read_yaml, read_json])
def test_only_files_of_a_sensible_size_are_read(
    read: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(read)
    path = tmp_path / "file"
    path.symlink_to("/dev/zero")
    with pytest.raises(ScaffoldError, match="not an ordinary file"):
        read(path)
    path.unlink()
    monkeypatch.setattr("phi3scaffold.project.files.MOST_JSON", MOST_YAML)
    path.write_bytes(b" " * (MOST_YAML + 1))
    with pytest.raises(ScaffoldError, match="larger than 1 MB"):
        read(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with a name here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "project.yaml"
    os.mkfifo(path)
    with pytest.raises(ScaffoldError, match="not an ordinary file"):
        read_yaml(path)
