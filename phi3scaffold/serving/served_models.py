"""The models that a server offers, their names, and whether they were released."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from phi3scaffold.conversion.adapter_file import ONNX_ADAPTERS
from phi3scaffold.evaluation.release import read_release
from phi3scaffold.inference.forms import prompt_of
from phi3scaffold.inference.forms.genai_adapter import adapter_names
from phi3scaffold.inference.forms.kinds import GENAI, KINDS, SHIPPED, folder_of
from phi3scaffold.models.prompt import Prompt
from phi3scaffold.pipeline import manifest
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.layout import RELEASE
from phi3scaffold.project.settings import Project


@dataclass(frozen=True)
class ServedModel:
    """One name a request may give as its `model`.

    Attributes:
        form: one of `phi3scaffold.inference.forms.kinds.FORMS`.
        root, folder: the project's folder, and the form's.
        created: seconds since 1970.
        content: a short hash of the form's files.
        system: the system turn it was trained with.
        remark: a warning for users; None where it was released.
        columns: of its prompt; where there are several, a message is a JSON object of them.
        labels: the answers of a classification.
    """

    id: str
    form: str
    root: str
    folder: str
    adapter: str | None
    created: int
    content: str
    task: str
    system: str | None
    demonstration: bool
    remark: str | None
    columns: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def has_grammar(self) -> bool:
        """Whether its form keeps answers to a JSON schema."""
        return KINDS[self.form].packages == GENAI


def find_models(project: Project, forms: Sequence[str] | None = None) -> list[ServedModel]:
    """Return the models of `forms`, in order; the first answers requests that name none.

    Args:
        forms: default: the ONNX form, and the adapters where they were exported.

    The ONNX form goes by the project's name, an adapter of onnx-adapter by its own, any other form
    by PROJECT/FORM.

    Raises:
        ScaffoldError: a form was not made yet, or two models have one name.
    """
    if not forms:
        exported = [form for form in SHIPPED if KINDS[form].is_at(folder_of(form, project))]
        forms = exported or SHIPPED[:1]
    models: list[ServedModel] = []
    warning = release_remark(project)

    def add(name: str, form: str, prompt: Prompt, adapter: str | None = None) -> None:
        folder = folder_of(form, project)
        record = manifest.read(folder)
        models.append(
            ServedModel(
                id=name,
                form=form,
                root=str(project.root),
                folder=str(folder),
                adapter=adapter,
                created=int((folder / KINDS[form].marker).stat().st_mtime),
                content=record.content[:12] if record else "unknown",
                task=prompt.task,
                system=prompt.fixed_system,
                demonstration=prompt.demonstration,
                remark=warning if form in SHIPPED else None,
                columns=tuple(prompt.columns),
                labels=tuple(prompt.labels),
            )
        )

    for form in dict.fromkeys(forms):
        folder = folder_of(form, project)
        KINDS[form].check(project)
        if form == "onnx-adapter":
            first = [name for name, _ in project.adapters[:1]]
            for name in sorted(adapter_names(folder), key=lambda name: name not in first):
                add(name, form, Prompt.load(folder / ONNX_ADAPTERS / name), name)
        else:
            name = project.root.name + ("" if form == "onnx" else f"/{form}")
            add(name, form, prompt_of(form, project))
    for model in models:
        if sum(other.id == model.id for other in models) > 1:
            raise ScaffoldError(
                f"Two models would be called {model.id!r}.",
                where=f"{project.root}",
                fix="rename the adapter in project.yaml, then: phi3scaffold adapters",
            )
    return models


def remarks(models: Sequence[ServedModel]) -> list[str]:
    """Return the remarks about the models, each once."""
    return list(dict.fromkeys(model.remark for model in models if model.remark))


def release_remark(project: Project) -> str | None:
    """Return a warning about the ONNX form; None where it was released."""
    path = project.release / RELEASE
    try:
        release = read_release(path)
    except (ScaffoldError, OSError, KeyError, TypeError):
        return "this model was not evaluated; run: phi3scaffold evaluate"
    record = manifest.read(project.onnx)
    if release.model and (record is None or release.model != record.content):
        return "this model is not the one that was evaluated; run: phi3scaffold evaluate"
    if not release.released:
        where = path.relative_to(project.root).as_posix()  # clients elsewhere see it, too
        return f"THE GATE FAILED: this model is not released; see {where}"
    return None
