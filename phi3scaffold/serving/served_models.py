"""Which models a server offers, under which names; whether what ships passed the gate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from phi3scaffold.conversion.adapter_file import ONNX_ADAPTERS
from phi3scaffold.inference.forms import prompt_of
from phi3scaffold.inference.forms.genai_adapter import names
from phi3scaffold.inference.forms.kinds import KINDS, SHIPPED, folder_of
from phi3scaffold.models.prompt import Prompt
from phi3scaffold.pipeline import manifest
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project


@dataclass(frozen=True)
class ServedModel:
    """One name a request may give as its `model`.

    Attributes:
        id: the name.
        form: one of `phi3scaffold.inference.forms.kinds.FORMS`.
        root: the project's folder.
        folder: the form's folder.
        adapter: for onnx-adapter, which of its adapters.
        made: seconds since 1970.
        content: a short hash of the form's files.
        task: classify, qa or chat.
        system: the system turn it was trained with, or None.
        demonstration: whether the model only shows that the pipeline works.
        remark: what a person has to know before relying on it; None where it was released.
    """

    id: str
    form: str
    root: str
    folder: str
    adapter: str | None
    made: int
    content: str
    task: str
    system: str | None
    demonstration: bool
    remark: str | None

    def work(self) -> dict[str, Any]:
        """What the engine has to load, for `open_form`."""
        return {"id": self.id, "form": self.form, "root": self.root, "adapter": self.adapter}


def served(project: Project, forms: Sequence[str] | None = None) -> list[ServedModel]:
    """The models of `forms`, in their order: the first answers a request that names none.

    Args:
        forms: default: the one that ships, and the adapters where they were exported.

    The ONNX form goes by the project's name, an adapter of onnx-adapter by its own, any other form
    by PROJECT/FORM.

    Raises:
        ScaffoldError: a form was not made yet, or two models have one name.
    """
    if not forms:
        made = [form for form in SHIPPED if KINDS[form].is_at(folder_of(form, project))]
        forms = made or SHIPPED[:1]
    found: list[ServedModel] = []
    told = remark(project)

    def add(name: str, form: str, prompt: Prompt, adapter: str | None = None) -> None:
        folder = folder_of(form, project)
        made = manifest.read(folder)
        found.append(
            ServedModel(
                id=name,
                form=form,
                root=str(project.root),
                folder=str(folder),
                adapter=adapter,
                made=int((folder / KINDS[form].marker).stat().st_mtime),
                content=made.content[:12] if made else "unknown",
                task=prompt.task,
                system=prompt.system,
                demonstration=prompt.demonstration,
                remark=told if form in SHIPPED else None,
            )
        )

    for form in dict.fromkeys(forms):
        folder = folder_of(form, project)
        KINDS[form].check(folder)
        if form == "onnx-adapter":
            first = [name for name, _ in project.adapters[:1]]
            for name in sorted(names(folder), key=lambda name: name not in first):
                add(name, form, Prompt.load(folder / ONNX_ADAPTERS / name), name)
        else:
            name = project.root.name + ("" if form == "onnx" else f"/{form}")
            add(name, form, prompt_of(form, project))
    for model in found:
        if sum(other.id == model.id for other in found) > 1:
            raise ScaffoldError(
                f"Two models would be called {model.id!r}.",
                where=f"{project.root}",
                fix="call the adapter something else in project.yaml, then: phi3scaffold adapters",
            )
    return found


def remarks(models: Sequence[ServedModel]) -> list[str]:
    """What has to be said of some of them, each once."""
    return list(dict.fromkeys(model.remark for model in models if model.remark))


def remark(project: Project) -> str | None:
    """What a person has to know before others use the ONNX form; None where it was released."""
    path = project.release / "release.json"
    try:
        release = json.loads(path.read_text(encoding="utf-8"))
        released, model = bool(release["released"]), release["model"]
    except (OSError, ValueError, KeyError, TypeError):
        return "nobody has measured this model; run: phi3scaffold evaluate"
    made = manifest.read(project.onnx)
    if made is not None and model not in (None, made.content):
        return "this model is not the one that was measured; run: phi3scaffold evaluate"
    if not released:
        where = path.relative_to(project.root).as_posix()  # people elsewhere are told it, too
        return f"THE GATE FAILED: this model is not released; {where} says why"
    return None
