"""Folders that a run writes, replaces and removes must be the project's own."""

from __future__ import annotations

from pathlib import Path

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project

# In gen-model/. A link in the place of a stage's folder is not followed.
WRITTEN = (".*", "logs", "logs/*", "tracking", "tracking/*", "search", "search/*")


def refuse_links(project: Project) -> None:
    """Refuse a link that leads out of the project where a run writes or removes.

    A project of somebody else could bring one: with gen-model/ a link to the user's home folder, a
    run would replace its `data`, and `clean` remove it.

    Raises:
        ScaffoldError: which link, and where it leads.
    """
    models = project.base.parent
    places = [project.gen, models, *(one for name in WRITTEN for one in project.gen.glob(name))]
    for path in places:
        if path.is_symlink() and not _is_inside(path, project.root):
            raise ScaffoldError(
                f"It is a link that leads out of the project, to {path.resolve()}.",
                where=path,
                fix="remove the link; for another disk, move the whole project there",
            )


def _is_inside(path: Path, root: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve())
