"""Every file that names the base model means the one of project.yaml.

project.yaml names the model; model.lock holds the commit that it stood for, model-cache/ what was
fetched, the Olive config where it lies, and each form's prompt.json what it was made from. After
`model.id` was changed the old files are still there, until the next run makes them again.

To mend it: `phi3scaffold model` fetches what project.yaml names, `phi3scaffold run` makes the rest
again. In the Olive config, input_model.model_path is always model-cache/base. `phi3scaffold update
--set model=...` changes what updates remember.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from phi3scaffold.checks.lint_context import ANSWERS, OLIVE, Tree
from phi3scaffold.checks.verdict import Verdict
from phi3scaffold.models import catalogue
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import MARKER, Project

ID = "L05-model"
BASE = "model-cache/base"


def check(tree: Tree) -> Iterator[Verdict]:
    if tree.project is None:
        yield Verdict(ID, "skipped", "project.yaml cannot be understood")
        return
    yield from _known(tree, tree.project)
    yield from _fetched(tree, tree.project)
    config = tree.document(OLIVE)
    path = config.get("input_model", "model_path") if config else None
    if config and path != BASE:
        yield Verdict(
            ID,
            "error",
            f"Olive is told that the model lies in {path!r}; it is fetched to {BASE}.",
            config.at("input_model", "model_path"),
            f'"model_path": "{BASE}"',
        )
    remembered = tree.answers.get("model")
    if remembered and not _same(str(remembered), tree.project):
        yield Verdict(
            ID,
            "note",
            f"The answers say {remembered}, project.yaml {tree.project.model_id}.",
            f"{ANSWERS}: model",
            f"phi3scaffold update --set model={tree.project.model_id}",
        )


def _known(tree: Tree, project: Project) -> Iterator[Verdict]:
    """A name, a hub id, or a folder that is there and holds such a model."""
    from phi3scaffold.models.model_lock import local_folder

    try:
        catalogue.describe(local_folder(project) or project.model_id)
    except ScaffoldError as error:
        document = tree.document(MARKER)
        place = document.at("model", "id") if document else MARKER
        yield Verdict(ID, "error", error.what, place, error.fix)


def _fetched(tree: Tree, project: Project) -> Iterator[Verdict]:
    from phi3scaffold.models.base_model import Base

    for name in ("model.lock", f"{BASE}/model.lock"):
        lock = tree.document(name)
        said = None if lock is None else (lock.get("id"), lock.get("revision"))
        if lock and said != (project.model_id, project.revision):
            yield Verdict(
                ID,
                "warning",
                f"It is for {said[0] if said else None} at {said[1] if said else None}; "
                f"project.yaml names {project.model_id} at {project.revision}.",
                lock.at("id"),
                "phi3scaffold model",
            )
            return  # the other one says the same
    try:
        base = Base.of(project).name
    except ScaffoldError:  # model.lock cannot be understood, as L03-settings says
        return
    for path in sorted(tree.root.glob("gen-model/*/prompt.json")):
        form = tree.document(path.relative_to(tree.root).as_posix())
        made_from = form.get("model") if form else None
        if form and made_from and made_from != base:
            yield Verdict(
                ID,
                "warning",
                f"It was made from {made_from}; project.yaml names {base}.",
                form.at("model"),
                "phi3scaffold run",
            )
            return


def _same(ref: str, project: Project) -> bool:
    one, other = catalogue.find(ref), catalogue.find(project.model_id)
    if one or other:
        return one == other
    return ref == project.model_id or Path(ref) == Path(project.model_id)
