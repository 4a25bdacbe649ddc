"""`phi3scaffold lint`: is the project still sound. One check a file; `CHECKS` is their order."""

from __future__ import annotations

CHECKS = (
    "files_parse",
    "leftovers",
    "settings",
    "ignore_list",
)
