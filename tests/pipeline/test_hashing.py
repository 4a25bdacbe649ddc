"""The stat cache: right when files change, and no second read when they do not."""

import os
from pathlib import Path

from phi3scaffold.pipeline.hashing import StatCache, digest


def test_a_changed_file_gets_a_new_hash(tmp_path: Path) -> None:
    file = tmp_path / "rows"
    file.write_text("one")
    cache = StatCache(tmp_path / "cache.json")
    first = cache.sha256(file)
    file.write_text("two")
    os.utime(file, ns=(1, 2))
    assert cache.sha256(file) != first


def test_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    file = tmp_path / "rows"
    file.write_text("one")
    cache = StatCache(tmp_path / "cache.json")
    first = cache.sha256(file)
    cache.save()
    stat = file.stat()
    with file.open("r+") as stream:  # same size and inode; the time is put back
        stream.write("two")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert StatCache(tmp_path / "cache.json").sha256(file) == first


def test_a_renamed_folder_keeps_its_hashes(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "weights").write_text("w")
    cache = StatCache(tmp_path / "cache.json")
    known = cache.sha256(old / "weights")
    new = old.rename(tmp_path / "new")
    cache.moved(old, new)
    assert cache._entries[str(new / "weights")][3] == known
    assert not any(key.startswith(str(old) + os.sep) for key in cache._entries)


def test_a_broken_cache_is_only_slow(tmp_path: Path) -> None:
    (tmp_path / "cache.json").write_text("{nonsense")
    file = tmp_path / "rows"
    file.write_text("one")
    assert len(StatCache(tmp_path / "cache.json").sha256(file)) == 64


def test_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
