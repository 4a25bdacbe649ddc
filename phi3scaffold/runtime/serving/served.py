"""Which models a server offers, under which names; whether they passed the gate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from phi3scaffold.errors import ScaffoldError
from phi3scaffold.project import Project
from phi3scaffold.runtime.forms import check_made, folder_of
from phi3scaffold.runtime.forms.genai_adapter import ADAPTERS, names
from phi3scaffold.runtime.pipeline import manifest
from phi3scaffold.runtime.prompt import Prompt

FORMS = ("onnx", "onnx-adapter", "onnx-base")  # those that need no torch


@dataclass(frozen=True)
class Served:
    """One name a request may give as its `model`.

    Attributes:
        id: the name.
        form: one of `FORMS`.
        folder: the form's folder.
        adapter: for onnx-adapter, which of its adapters.
        made: seconds since 1970.
        content: a short hash of the form's files.
        task: classify, qa or chat.
        system: the system turn it was trained with, or None.
        demonstration: whether the model only shows that the pipeline works.
    """

    id: str
    form: str
    folder: str
    adapter: str | None
    made: int
    content: str
    task: str
    system: str | None
    demonstration: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def served(project: Project, forms: Sequence[str]) -> list[Served]:
    """The models of `forms`, in their order: the first answers a request that names none.

    The ONNX form goes by the project's name, an adapter by its own, the base by PROJECT/base.

    Raises:
        ScaffoldError: a form was not made yet, or two models have one name.
    """
    found: list[Served] = []
    for form in dict.fromkeys(forms):
        folder = folder_of(form, project)
        check_made(form, folder)
        if form == "onnx-adapter":
            first = [name for name, _ in project.adapters[:1]]
            every = sorted(names(folder), key=lambda name: name not in first)
            found += [_one(name, form, folder, name) for name in every]
        else:
            name = project.root.name + ("/base" if form == "onnx-base" else "")
            found.append(_one(name, form, folder, None))
    for model in found:
        if sum(other.id == model.id for other in found) > 1:
            raise ScaffoldError(
                f"Two models would be called {model.id!r}.",
                where=f"{project.root}",
                fix="call the adapter something else in project.yaml, then: phi3scaffold adapters",
            )
    return found


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
        return f"THE GATE IS BROKEN: this model is not released ({path}); see phi3scaffold evaluate"
    return None


def _one(name: str, form: str, folder: Path, adapter: str | None) -> Served:
    prompt = Prompt.load(folder / ADAPTERS / adapter if adapter else folder)
    made = manifest.read(folder)
    return Served(
        id=name,
        form=form,
        folder=str(folder),
        adapter=adapter,
        made=int((folder / "genai_config.json").stat().st_mtime),
        content=made.content[:12] if made else "unknown",
        task=prompt.task,
        system=prompt.system,
        demonstration=prompt.demonstration,
    )
