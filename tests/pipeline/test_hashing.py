"""The stat cache: right when files change, and no second read when they do not."""

import json
import os
import time
from pathlib import Path

import pytest

from phi3scaffold.pipeline import hashing
from phi3scaffold.pipeline.hashing import StatCache, digest


def test_a_changed_file_gets_a_new_hash(tmp_path: Path) -> None:
    file = tmp_path / "rows"
    file.write_text("one")
    cache = StatCache(tmp_path / "cache.json")
    first = cache.sha256(file)
    file.write_text("two")
    os.utime(file, ns=(1, 2))
    assert cache.sha256(file) != first


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "rows"
    file.write_text("one")
    cache = StatCache(tmp_path / "cache.json")
    first = cache.sha256(file)
    cache.save()
    monkeypatch.setattr(hashing, "hash_file", lambda path: "read again")
    assert StatCache(tmp_path / "cache.json").sha256(file) == first


def test_a_time_that_was_put_back_hides_nothing(tmp_path: Path) -> None:
    file = tmp_path / "rows"
    file.write_text("one")
    cache = StatCache(tmp_path / "cache.json")
    first = cache.sha256(file)
    stat = file.stat()
    time.sleep(0.02)  # a file's times go by the clock's ticks
    with file.open("r+") as stream:  # same size and inode
        stream.write("two")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert cache.sha256(file) != first


def test_a_renamed_folder_keeps_its_hashes(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "weights").write_text("w")
    cache = StatCache(tmp_path / "cache.json")
    known = cache.sha256(old / "weights")
    new = old.rename(tmp_path / "new")
    cache.moved(old, new)
    assert cache._entries[str(new / "weights")][-1] == known
    assert not any(key.startswith(str(old) + os.sep) for key in cache._entries)


@pytest.mark.parametrize("entry", ["{nonsense", "null", "[]", 1, "x", [], [1], {"a": 1}, None])
def test_a_broken_cache_is_only_slow(entry: object, tmp_path: Path) -> None:
    file = tmp_path / "rows"
    file.write_text("one")
    text = entry if isinstance(entry, str) else json.dumps({str(file): entry})
    (tmp_path / "cache.json").write_text(text)
    assert len(StatCache(tmp_path / "cache.json").sha256(file)) == 64


def test_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
