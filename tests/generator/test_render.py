"""Copier renders from the bundle."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from phi3scaffold import generator
from phi3scaffold.generator import template
from phi3scaffold.project.errors import ScaffoldError

ANSWERS = {"algo": "lora", "target": "cpu", "task": "qa"}


def make(destination: Path, **options: Any) -> Path:
    return generator.new(destination, ANSWERS, **({"wheel": False} | options))


def answers_of(project: Path) -> dict[str, Any]:
    return yaml.safe_load((project / ".copier-answers.yml").read_text(encoding="utf-8"))


def files_of(project: Path) -> dict[str, bytes]:
    return {
        path.relative_to(project).as_posix(): path.read_bytes()
        for path in project.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(project).parts
    }


def test_answers_name_the_source_and_the_version(tmp_path: Path) -> None:
    found = answers_of(make(tmp_path / "proj", git=False))
    assert found["_src_path"] == "phi3scaffold://template.git"
    assert found["_commit"] == f"v{template.version()}"
    assert ANSWERS.items() <= found.items()
    assert "data" not in found
    assert str(tmp_path) not in yaml.safe_dump(found)


def test_without_git_the_project_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_git = make(tmp_path / "one" / "proj", git=False)
    said: list[str] = []
    for module in ("render", "git"):
        monkeypatch.setattr(f"phi3scaffold.generator.{module}.have_git", lambda: False)
    without = make(tmp_path / "two" / "proj", say=said.append)
    assert files_of(with_git) == files_of(without)
    assert not (without / ".git").exists()
    assert any("git is not installed" in line for line in said)


def test_without_git_on_the_path(tmp_path: Path) -> None:
    """The real thing: an empty PATH."""
    code = (
        "import sys; from phi3scaffold.__main__ import VERBS, main; "
        "sys.exit(main(VERBS, ['new', 'proj', '--defaults']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": "/nowhere"},
    )
    assert done.returncode == 0, done.stderr
    assert "git is not installed" in done.stdout
    assert answers_of(tmp_path / "proj")["_commit"] == f"v{template.version()}"


def test_first_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for somebody who has never told git a name, has hooks, and signs commits."""
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "pre-commit").write_text("#!/bin/sh\nexit 1\n")
    (hooks / "pre-commit").chmod(0o755)
    config = tmp_path / "gitconfig"
    config.write_text(
        f"[core]\n hooksPath = {hooks}\n autocrlf = true\n[commit]\n gpgsign = true\n"
        "[user]\n useConfigOnly = true\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    project = make(tmp_path / "proj")
    git = ["git", "-C", str(project)]
    log = subprocess.run([*git, "log", "--format=%an"], capture_output=True, text=True, check=True)
    assert log.stdout == "phi3scaffold\n"
    status = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True)
    assert status.stdout == ""
    kept = subprocess.run([*git, "config", "--local", "user.name"], capture_output=True)
    assert kept.returncode == 1  # the fallback name was for that commit only
    assert b"\r\n" not in (project / "Makefile").read_bytes()


def test_inside_a_git_hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """git sets these for its hooks; ours must not write into that repository."""
    other = tmp_path / "other"
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    project = make(tmp_path / "proj")
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_INDEX_FILE")
    log = subprocess.run(["git", "log"], cwd=other, capture_output=True, text=True)
    assert log.returncode != 0  # still without a commit
    assert (project / ".git").is_dir()


def test_no_repository_inside_a_repository(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("ignored/\n")
    said: list[str] = []
    assert not (make(tmp_path / "inside", say=said.append) / ".git").exists()
    assert any("already" in line for line in said)
    assert (make(tmp_path / "ignored" / "proj") / ".git").is_dir()


def test_the_users_copier_settings_have_no_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "settings.yml"
    settings.write_text("defaults:\n  precision: fp32\n")
    monkeypatch.setenv("COPIER_SETTINGS_PATH", str(settings))
    cache = tmp_path / "cache"
    monkeypatch.setenv("COPIER_CACHE_DIR", str(cache))
    assert answers_of(make(tmp_path / "proj", git=False))["precision"] == "int4"
    assert os.environ["COPIER_CACHE_DIR"] == str(cache)
    assert not cache.exists()


def test_a_broken_bundle_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "template.bundle"
    monkeypatch.setattr(template, "BUNDLE", broken)
    with pytest.raises(ScaffoldError, match="missing"):
        make(tmp_path / "proj")
    broken.write_bytes(b"# v2 git bundle\nrubbish")
    with pytest.raises(ScaffoldError, match="git could not unpack"):
        make(tmp_path / "proj")
    assert not (tmp_path / "proj").exists()
