"""Build template.bundle: the template as a git repository in one file.

`python -m phi3scaffold.generator.bundle` (in a checkout, after changing template/ or a limit of the
gate, whose lines in project.yaml it writes).

One commit and one tag per released version of the template; author and date are fixed, so a
rebuilt commit has the same hash everywhere. Earlier versions are kept from the bundle that is
already there: projects made from them need both ends to be updated.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from phi3scaffold.evaluation.limits import project_yaml_section
from phi3scaffold.generator import template
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import write_whole

GATE = "gate.yaml.jinja"  # of the template: what project.yaml includes
IDENTITY = {
    "GIT_AUTHOR_NAME": "phi3scaffold",
    "GIT_AUTHOR_EMAIL": "phi3scaffold@localhost",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00+00:00",
    "GIT_COMMITTER_NAME": "phi3scaffold",
    "GIT_COMMITTER_EMAIL": "phi3scaffold@localhost",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00+00:00",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


def build(source: Path, version: str, previous: Path | None, output: Path) -> str:
    """Write `output`: `source` as v`version` on `previous`'s earlier tags; return its commit."""
    with tempfile.TemporaryDirectory(prefix="phi3scaffold-bundle-") as scratch:
        repository = Path(scratch) / "repository"
        repository.mkdir()
        _git(repository, "init", "-q", "-b", "main")
        if previous is not None and previous.is_file():
            _git(repository, "fetch", "-q", str(previous.resolve()), "refs/tags/*:refs/tags/*")
        tag = f"v{version}"
        tags = _git(repository, "tag", "--list").split()
        earlier = [name for name in tags if name != tag]
        newer = [name for name in earlier if key(name) > key(tag)]
        if newer:
            raise ScaffoldError(
                f"The bundle already holds {newer[0]}, newer than {tag}.",
                where=template.folder() / "copier.yml",
                fix="raise template_version",
            )
        tree = repository / "tree"
        shutil.copytree(source, tree, ignore=shutil.ignore_patterns(*template.NOT_SHIPPED))
        index = ("--work-tree", str(tree))
        _git(repository, *index, "-c", "core.autocrlf=false", "add", "-A", "-f")
        tree_hash = _git(repository, "write-tree")
        parents = ("-p", max(earlier, key=key)) if earlier else ()
        commit = _git(repository, "commit-tree", tree_hash, "-m", f"Template {tag}", *parents)
        _git(repository, "tag", "-f", tag, commit)
        _git(repository, "update-ref", "refs/heads/main", commit)
        draft = Path(scratch) / "made.bundle"
        _git(repository, "bundle", "create", "-q", str(draft), "HEAD", "main", "--tags")
        write_whole(output, draft.read_bytes())
    return commit


def commits(bundle: Path) -> dict[str, str]:
    """Return tag -> commit hash of every tag in `bundle`."""
    heads = _git(bundle.parent, "bundle", "list-heads", str(bundle)).splitlines()
    pairs = [line.split(" refs/tags/") for line in heads if " refs/tags/" in line]
    return {tag: commit for commit, tag in pairs}


def key(tag: str) -> tuple[int, ...]:
    """Return a tag or version as numbers that compare: ``v0.10.1`` -> (0, 10, 1)."""
    return tuple(int(part) for part in re.findall(r"\d+", tag))


def _git(folder: Path, *arguments: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")} | IDENTITY
    result = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    if result.returncode:
        raise ScaffoldError(f"git {arguments[0]} failed: {result.stderr.strip()}", exit_code=1)
    return result.stdout.strip()


if __name__ == "__main__":
    gate = template.folder() / GATE
    gate.write_text(project_yaml_section(), encoding="utf-8", newline="\n")
    made_commit = build(template.folder(), template.version(), template.BUNDLE, template.BUNDLE)
    print(f"{template.BUNDLE}: v{template.version()} {made_commit}")
    sys.exit(0)
