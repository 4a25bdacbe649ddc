"""The files in gen-model/ and model-cache/ are those of their manifests.

Each folder there has a manifest.json with the size and the sha256 of every file. A model from a
file that was truncated while copying, or changed by hand, gives wrong answers silently. A file is
read and its hash compared where its size, times or inode are not those of the last time it was
read; with `--verify` every file is.

To fix it: `phi3scaffold run` replaces what differs from its manifest (`phi3scaffold model`: the
base model).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from phi3scaffold.checks.lint_context import LintContext
from phi3scaffold.pipeline import manifest
from phi3scaffold.pipeline.hashing import StatCache, project_cache
from phi3scaffold.project.findings import Finding, Skip

ID = "L13-manifests"


def check(context: LintContext) -> Iterator[Finding]:
    from phi3scaffold.stages.graph import STAGES

    project = context.require_project()
    folders = sorted({stage.folder(project) for stage in STAGES.values()})
    there = [folder for folder in folders if folder.is_dir() and any(folder.iterdir())]
    if not there:
        raise Skip("there are no results yet")
    with project_cache(project) as cache:
        if context.verify:
            cache.forget()
        for folder in there:
            yield from _folder(context, folder, cache)


def _folder(context: LintContext, folder: Path, cache: StatCache) -> Iterator[Finding]:
    name = folder.relative_to(context.root).as_posix()
    again = "phi3scaffold model" if name.startswith("model-cache") else "phi3scaffold run"
    recorded = manifest.read(folder)
    if recorded is None:
        # `new` lays tiny's weights there; the model stage writes the manifest
        if name != "model-cache/base":
            what = "It has no manifest that can be read: nobody knows what made it."
            yield Finding(ID, "warning", what, f"{name}/{manifest.NAME}", again)
        return
    if context.verify:
        context.say(f"reading {name}")
    for file, entry in recorded.files.items():
        path = folder / file
        if not path.is_file():
            yield Finding(ID, "error", "It is gone.", f"{name}/{file}", again)
        elif path.stat().st_size != entry.bytes:
            what = f"It has {path.stat().st_size} bytes; it was made with {entry.bytes}."
            yield Finding(ID, "error", what, f"{name}/{file}", again)
        elif cache.sha256(path) != entry.sha256:
            what = "Its content has changed since it was made."
            yield Finding(ID, "error", what, f"{name}/{file}", again)
