"""Every file that names the base model names the one in project.yaml.

project.yaml names the model; model.lock holds its commit, model-cache/ the download, the Olive
config its path, and each form's prompt.json the model that the form comes from. After a change of
`model.id` the old files stay until the next run.

To fix it: `phi3scaffold model` fetches the model that project.yaml names, `phi3scaffold run`
updates the rest. In the Olive config, input_model.model_path is always model-cache/base.
`phi3scaffold update --set model=...` changes the answer that updates use.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from phi3scaffold.checks.lint_context import ANSWERS, OLIVE, LintContext
from phi3scaffold.models import catalogue
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.findings import Finding
from phi3scaffold.project.layout import PROJECT_FILE
from phi3scaffold.project.settings import Project

ID = "L05-model"
BASE = "model-cache/base"


def check(context: LintContext) -> Iterator[Finding]:
    project = context.require_project()
    yield from _known(context, project)
    yield from _fetched(context, project)
    config = context.document(OLIVE)
    path = config.get("input_model", "model_path") if config else None
    if config and path != BASE:
        what = f"Olive looks for the model in {path!r}; it is fetched to {BASE}."
        fix = f'"model_path": "{BASE}"'
        yield Finding(ID, "error", what, config.at("input_model", "model_path"), fix)
    remembered = context.answers.get("model")
    if remembered and not _same(str(remembered), project):
        what = f"The answers say {remembered}, project.yaml {project.model_id}."
        fix = f"phi3scaffold update --set model={project.model_id}"
        yield Finding(ID, "note", what, f"{ANSWERS}: model", fix)


def _known(context: LintContext, project: Project) -> Iterator[Finding]:
    """Check that it is a known name, a hub id, or a folder that holds such a model."""
    from phi3scaffold.models.model_lock import local_folder

    try:
        catalogue.describe(local_folder(project) or project.model_id)
    except ScaffoldError as error:
        document = context.document(PROJECT_FILE)
        place = document.at("model", "id") if document else PROJECT_FILE
        yield Finding(ID, "error", error.what, place, error.fix)


def _fetched(context: LintContext, project: Project) -> Iterator[Finding]:
    from phi3scaffold.models.base_model import Base

    for name in ("model.lock", f"{BASE}/model.lock"):
        lock = context.document(name)
        if lock is None:
            continue
        locked = (lock.get("id"), lock.get("revision"))
        if locked != (project.model_id, project.revision):
            what = (
                f"It is for {locked[0]} at {locked[1]}; "
                f"project.yaml names {project.model_id} at {project.revision}."
            )
            yield Finding(ID, "warning", what, lock.at("id"), "phi3scaffold model")
            return  # the other one says the same
    try:
        base = Base.of(project).name
    except ScaffoldError:  # model.lock cannot be understood, as L03-settings says
        return
    for path in sorted(context.root.glob("gen-model/*/prompt.json")):
        form = context.document(path.relative_to(context.root).as_posix())
        made_from = form.get("model") if form else None
        if form and made_from and made_from != base:
            what = f"It was made from {made_from}; project.yaml names {base}."
            yield Finding(ID, "warning", what, form.at("model"), "phi3scaffold run")
            return


def _same(ref: str, project: Project) -> bool:
    one, other = catalogue.find(ref), catalogue.find(project.model_id)
    if one or other:
        return one == other
    return ref == project.model_id or Path(ref) == Path(project.model_id)
