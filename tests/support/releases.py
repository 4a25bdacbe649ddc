"""Three releases of phi3scaffold, made up from today's template by the code that bundles it.

0.1.0 is today's. 0.2.0 changes lines, adds, removes and moves files, asks a new question, renames a
key of project.yaml, and pins other packages. 0.3.0 changes the same lines again, moves a file for
the second time, renames that question and changes another's choices.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from phi3scaffold import generator
from phi3scaffold.generator import bundle, requirements, template
from phi3scaffold.generator.requirements import Distribution

ANSWERS = {"algo": "lora", "target": "cpu", "task": "classify"}
MOVED = {  # path in 0.1.0 -> in 0.2.0 -> in 0.3.0
    "inferences/requirements-adapter.txt": ("inferences/needs/adapter.txt", "needs/adapter.txt"),
}
REMOVED = {"0.2.0": "inferences/merged.py", "0.3.0": ".vscode/tasks.json"}
ADDED = {"0.2.0": "docs/TIPS.md", "0.3.0": "docs/LIMITS.md"}
MIGRATIONS = [
    {"in": version, "from": old, "to": new}
    for first, (second, third) in MOVED.items()
    for version, old, new in (("0.2.0", first, second), ("0.3.0", second, third))
]
KEYS = [
    {"in": "0.2.0", "file": "project.yaml", "from": "evaluate", "to": "measure"},
    {"in": "0.3.0", "file": ".copier-answers.yml", "from": "greeting", "to": "welcome"},
]


@dataclass(frozen=True)
class Release:
    """One version as if it were installed.

    Attributes:
        folder: its template.
        bundle: its template.bundle, with all versions up to it.
    """

    version: str
    folder: Path
    bundle: Path


def releases(folder: Path) -> dict[str, Release]:
    """Make the three in `folder`, each bundle from the one before it."""
    made = {}
    previous = None
    for version, change in (("0.1.0", lambda _: None), ("0.2.0", _second), ("0.3.0", _third)):
        source = folder / version / "template"
        before = made[list(made)[-1]].folder if made else template.folder()
        shutil.copytree(before, source, ignore=shutil.ignore_patterns(*template.NOT_SHIPPED))
        number = rf'\1"{version}"'
        _sub(source / "copier.yml", r'(template_version:(?:.*\n)+?  default: )".*"', number)
        change(source)
        path = folder / version / "template.bundle"
        bundle.build(source, version, previous, path)
        previous = path
        made[version] = Release(version, source, path)
    return made


def _second(source: Path) -> None:
    project = source / "project"
    _sub(project / "Makefile.jinja", "## list the targets", "## list all targets")
    _sub(project / "README.md.jinja", "## Use it", "## How to use it")
    _sub(project / "inferences" / "onnx.py", '"""Answer', '"""Newer: answer')
    _sub(project / "project.yaml.jinja", r"(?m)^evaluate:", "measure:")
    _sub(project / "setup" / "setup.sh", "set -eu", "set -eu # 0.2.0")
    _sub(project / "inferences" / "requirements-adapter.txt", "# What", "# 0.2.0: what")
    (project / "inferences" / "needs").mkdir()
    (project / "inferences" / "requirements-adapter.txt").rename(
        project / "inferences" / "needs" / "adapter.txt"
    )
    (project / "inferences" / "merged.py").unlink()
    (project / "docs").mkdir()
    (project / "docs" / "TIPS.md.jinja").write_text("# Tips\n\nBe {{ greeting }}.\n")
    _question(source, "greeting", "kind")
    # The user's own file: what the template says of it never arrives.
    _sub(project / "datasets" / "dataset.yaml.jinja", "seed: 42", "seed: 43")
    tables = {"files": MIGRATIONS[:1], "keys": KEYS[:1]}
    (source / "migrations.yaml").write_text(yaml.safe_dump(tables))


def _third(source: Path) -> None:
    project = source / "project"
    _sub(project / "Makefile.jinja", "## list all targets", "## all targets")
    _sub(project / "README.md.jinja", "## How to use it", "## Usage")
    _sub(project / "inferences" / "onnx.py", '"""Newer: answer', '"""Newest: answer')
    (project / "needs").mkdir()
    (project / "inferences" / "needs" / "adapter.txt").rename(project / "needs" / "adapter.txt")
    (project / ".vscode" / "tasks.json.jinja").unlink()
    (project / "docs" / "TIPS.md.jinja").write_text("# Tips\n\nBe very {{ welcome }}.\n")
    (project / "docs" / "LIMITS.md").write_text("# Limits\n\nNone.\n")
    _sub(source / "copier.yml", r"(?m)^greeting:", "welcome:")
    _sub(source / "copier.yml", r"--greeting", "--welcome")
    _sub(source / "copier.yml", r'"fast: [^"]*": fast', '"quick: the smallest model": quick')
    _sub(source / "copier.yml", r"    fast: \{", "    quick: {")
    tables = {"files": MIGRATIONS, "keys": KEYS}
    (source / "migrations.yaml").write_text(yaml.safe_dump(tables))


def _question(source: Path, name: str, default: str) -> None:
    path = source / "copier.yml"
    text = path.read_text(encoding="utf-8")
    asked = (
        f'{name}:\n  type: str\n  help: "A new question (--{name})"\n  default: {default}\n'
        "  choices: {kind: kind, short: short, silent: silent}\n\n"
    )
    path.write_text(text.replace("# Never stored:", asked + "# Never stored:"), encoding="utf-8")


def _sub(path: Path, pattern: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    changed, count = re.subn(pattern, new, text, count=1)
    assert count, f"{path}: no {pattern}"
    path.write_text(changed, encoding="utf-8", newline="\n")


@contextmanager
def installed(release: Release) -> Iterator[None]:
    """While it lasts, this process is that release: its template, bundle, version and pins."""
    number = release.version.split(".")[1]

    @functools.cache
    def distribution() -> Distribution:
        found = requirements.distribution()
        base = tuple(re.sub(r"^(rich==).*", rf"\g<1>15.0.{number}", line) for line in found.base)
        return replace(found, version=release.version, base=base)

    fixed = release.folder.parent / "constraints.txt"
    fixed.write_text(f"# pins\nattrs==26.{number}.0\nsix==1.17.0\nyarl==1.0.0\n")
    modules = "phi3scaffold.generator"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(template, "folder", lambda: release.folder)
        patch.setattr(template, "BUNDLE", release.bundle)
        patch.setattr(f"{modules}.update.preconditions.__version__", release.version)
        locked = requirements.release_here().hashes
        pins = requirements.ReleasePins(distribution(), fixed.read_bytes(), locked)
        patch.setattr(f"{modules}.setup_files.release_here", lambda: pins)
        patch.setattr(f"{modules}.wheel.distribution", distribution)
        patch.setattr(f"{modules}.wheel.constraints", lambda: fixed)
        template.config.cache_clear()
        try:
            yield
        finally:
            template.config.cache_clear()


def commit(project: Path, message: str = "mine") -> None:
    """Commit everything in the project's folder, as somebody."""
    # Twice: a .gitattributes that goes is still obeyed by the `git add` that removes it.
    for _ in range(2):
        git(project, "add", "-A", ".")
        git(project, "commit", "-q", "--allow-empty", "-m", message)


def git(folder: Path, *words: str) -> str:
    """What git prints; the user has a name."""
    who = ("-c", "user.name=Jo", "-c", "user.email=jo@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def make(release: Release, destination: Path, **answers: str) -> Path:
    """A project as that release's `new` makes it."""
    with installed(release):
        return generator.new(destination, ANSWERS | answers)


def snapshot(project: Path) -> dict[str, tuple[str, bytes, int]]:
    """Path -> kind, content and permissions of everything but git's folder."""
    found = {}
    for path in sorted(project.rglob("*")):
        relative = path.relative_to(project)
        if relative.parts[0] == ".git":
            continue
        if path.is_symlink():
            found[str(relative)] = ("link", str(path.readlink()).encode(), 0)
        elif path.is_file():
            found[str(relative)] = ("file", path.read_bytes(), path.stat().st_mode & 0o777)
        else:
            found[str(relative)] = ("folder", b"", path.stat().st_mode & 0o777)
    return found


def edit(project: Path, path: str, change: Callable[[str], str]) -> None:
    """Change a text file."""
    file = project / path
    file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
