"""Forms of one model: a folder comes in; an opened `Form` goes out, with one interface for all.

`base`, `adapter` (PEFT over the base), `merged` (transformers), and with ONNX Runtime GenAI `onnx`
(the merged model), `onnx-adapter` (adapters to swap over one base), `onnx-base` (the base alone).
Opening one imports only what that form needs: the last three import neither torch nor transformers.
"""

from __future__ import annotations

from pathlib import Path

from phi3scaffold.inference.calibration import FILE as CALIBRATION
from phi3scaffold.inference.calibration import LabelCalibration
from phi3scaffold.inference.forms.form import Form
from phi3scaffold.inference.forms.kinds import FORMS, KINDS, folder_of
from phi3scaffold.models.prompt import FILE, Prompt
from phi3scaffold.pipeline.environment import prepare
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project


def open_form(
    name: str,
    where: Project | Path,
    *,
    base: Path | None = None,
    prompt: Prompt | None = None,
    adapter: str | None = None,
) -> Form:
    """Load one form; close it, or use it in a `with`, to free its memory.

    Args:
        name: one of `FORMS`.
        where: the project, or the form's own folder.
        base: the base model's folder, which `adapter` needs where `where` is a folder.
        prompt: used instead of the prompt.json beside the form. The base has none of its own:
            without this it gets the prompt of the project's newest form.
        adapter: for `onnx-adapter`, which of project.yaml's adapters answers; default: the first.

    Raises:
        ScaffoldError: the form was not made yet (naming the verb that makes it), is damaged, or
            its packages are not installed.
    """
    if name not in FORMS:
        raise ScaffoldError(f"Unknown form {name!r}.", fix=f"one of: {', '.join(FORMS)}")
    form = _opened(name, where, base, prompt, adapter)
    folder = folder_of(name, where) if isinstance(where, Project) else where
    known = where.evaluation if isinstance(where, Project) else folder
    form.calibration = LabelCalibration.load(known / CALIBRATION, name, folder)
    return form


def _opened(
    name: str,
    where: Project | Path,
    base: Path | None,
    prompt: Prompt | None,
    adapter: str | None,
) -> Form:
    if isinstance(where, Project):
        base = base or where.base
        folder = folder_of(name, where)
        if adapter is None and where.adapters:
            adapter = where.adapters[0][0]
        if name == "base":
            prompt = prompt or prompt_of(name, where)
    else:
        folder = where
    KINDS[name].check(where)
    prepare()
    if name == "onnx-adapter":
        from phi3scaffold.inference.forms.genai_adapter import GenaiAdapterForm

        return GenaiAdapterForm(folder, adapter, prompt)
    prompt = prompt or Prompt.load(folder)
    if name in ("onnx", "onnx-base"):
        from phi3scaffold.inference.forms.genai import GenaiForm

        return GenaiForm(folder, prompt, name)
    from phi3scaffold.inference.forms.torch_form import TorchForm

    if name != "adapter":
        return TorchForm(name, folder, prompt)
    if base is None:
        raise ValueError("the adapter form needs the base model's folder")
    own = isinstance(where, Project) and base == where.base
    KINDS["base"].check(where if own else base)
    return TorchForm(name, base, prompt, adapter=folder)


def prompt_of(name: str, project: Project) -> Prompt:
    """Return the prompt of a project's form; for the base, which has none, the newest form's.

    Raises:
        ScaffoldError: there is none.
    """
    if name != "base":
        return Prompt.load(folder_of(name, project))
    for newest in ("onnx", "merged", "adapter"):
        if (folder_of(newest, project) / FILE).is_file():
            return Prompt.load(folder_of(newest, project))
    raise ScaffoldError(
        "The base has no prompt of its own, and no form with one was made yet.",
        where=project.gen,
        fix="run: phi3scaffold run",
    )
