"""`phi3scaffold lint`: is the project still sound. One check a file; `CHECKS` is their order."""

from __future__ import annotations

CHECKS = (
    "files_parse",
    "leftovers",
    "settings",
    "ignore_list",
    "model",
    "target",
    "rows",
    "olive_passes",
    "remote_code",
    "target_modules",
    "job",
    "prompt",
    "manifests",
    "answers",
    "wheel",
    "pins",
    "as_generated",
    "ignore_files",
    "tracked_files",
    "secrets",
    "olive_keys",
)
