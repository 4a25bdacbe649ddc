"""Every file that names the base model names the one in project.yaml, and it can be trained.

project.yaml names the model; model.lock holds its commit, model-cache/ the download, the Olive
config its path, and each form's prompt.json the model that the form comes from. After a change of
`model.id` the old files stay until the next run. The model itself must be one that can be trained:
of a known architecture, not quantized, with a chat template that works, and that writes a system
turn where datasets/dataset.yaml has a system text.

To fix it: `phi3scaffold model` fetches the model that project.yaml names, `phi3scaffold run`
updates the rest. In the Olive config, input_model.model_path is always model-cache/base.
`phi3scaffold update --set model=...` changes the answer that updates use.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from phi3scaffold.checks.lint_context import ANSWERS, DATASET, OLIVE, LintContext
from phi3scaffold.models import catalogue
from phi3scaffold.models.model_config import CONFIG, read_config
from phi3scaffold.models.template_file import asks_for_date
from phi3scaffold.models.template_trial import check_template
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.findings import Finding
from phi3scaffold.project.layout import PROJECT_FILE
from phi3scaffold.project.settings import Project

ID = "L05-model"
BASE = "model-cache/base"


def check(context: LintContext) -> Iterator[Finding]:
    project = context.require_project()
    yield from _known(context, project)
    yield from _usable(context, project)
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
    """Check that it is a known name, a hub id, or a folder that holds a whole model."""
    from phi3scaffold.models.model_folder import check_model_folder
    from phi3scaffold.models.model_hub import cached_file
    from phi3scaffold.models.model_lock import local_folder

    folder = local_folder(project)
    try:
        entry = catalogue.describe(folder or project.model_id)
        if folder is not None:
            check_model_folder(folder)
        elif entry.hub_id and catalogue.find(project.model_id) is None:
            cached = cached_file(entry.hub_id, CONFIG, project.revision)
            if cached is not None:
                read_config(cached.parent)
    except ScaffoldError as error:
        document = context.document(PROJECT_FILE)
        place = document.at("model", "id") if document else PROJECT_FILE
        what = f"{error.what} ({error.where})" if error.where else error.what
        yield Finding(ID, "error", what, place, error.fix)


def _usable(context: LintContext, project: Project) -> Iterator[Finding]:
    """Check what was fetched, which an earlier version may have let in, or a hand has changed."""
    base = context.root / BASE
    if not (base / "config.json").is_file():
        return
    try:
        read_config(base)
        template = check_template(base)
    except ScaffoldError as error:
        yield context.finding(ID, error)
        return
    if asks_for_date(template.text):
        what = "The chat template writes today's date: an earlier version has fetched it."
        yield Finding(ID, "warning", what, BASE, f"remove {BASE}, then: phi3scaffold model")
    dataset = context.document(DATASET)
    system = dataset.get("system") if dataset else None
    if dataset is None or not system:
        return
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    with_system = [{"role": "system", "content": str(system)}, *turns]
    what = "The model's chat template leaves system prompts out."
    try:
        same = template.render(turns, to_answer=False)
        if template.render(with_system, to_answer=False) != same:
            return
    except ScaffoldError as error:
        what = error.what
    fix = "system: null, or write the text into the user turn"
    yield Finding(ID, "error", what, dataset.at("system"), fix)


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
