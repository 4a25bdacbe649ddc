"""The forms a model comes in, from the base to what ships; each answers in the same way.

`base`, `adapter` (PEFT over the base), `merged` (transformers), `onnx` and `onnx-adapter` (ONNX
Runtime GenAI: the merged model; adapters to swap over one base). Opening one imports only what that
form needs: the last two import neither torch nor transformers.
"""

from __future__ import annotations

from pathlib import Path

from phi3scaffold.errors import ScaffoldError
from phi3scaffold.project import Project
from phi3scaffold.runtime.environment import prepare
from phi3scaffold.runtime.forms.form import Form
from phi3scaffold.runtime.prompt import FILE, Prompt

FORMS = ("onnx", "onnx-adapter", "merged", "adapter", "base")

# What shows that a form is whole, and the verb that makes it.
_MARKS = {
    "base": ("config.json", "model"),
    "adapter": ("adapter_config.json", "finetune"),
    "merged": ("config.json", "merge"),
    "onnx": ("genai_config.json", "export"),
    "onnx-adapter": ("genai_config.json", "adapters"),
}


def open_form(
    name: str,
    where: Project | Path,
    *,
    base: Path | None = None,
    prompt: Prompt | None = None,
    adapter: str | None = None,
) -> Form:
    """Load one form; close it, or use it in a `with`, to give its memory back.

    Args:
        name: one of `FORMS`.
        where: the project, or the form's own folder.
        base: the base model's folder, which `adapter` needs where `where` is a folder.
        prompt: used instead of the prompt.json beside the form. The base has none of its own:
            without this it is asked with the prompt of the project's newest form.
        adapter: for `onnx-adapter`, which of project.yaml's adapters answers; default: the first.

    Raises:
        ScaffoldError: the form was not made yet (naming the verb that makes it), is damaged, or
            its packages are not installed.
    """
    if name not in FORMS:
        raise ScaffoldError(f"Unknown form {name!r}.", fix=f"one of: {', '.join(FORMS)}")
    if isinstance(where, Project):
        base = base or where.base
        folder = {
            "base": where.base,
            "adapter": where.adapter,
            "merged": where.merged,
            "onnx": where.onnx,
            "onnx-adapter": where.onnx_adapter,
        }[name]
        if adapter is None and where.adapters:
            adapter = where.adapters[0][0]
        if name == "base" and prompt is None:
            prompt = _any_prompt(where)
    else:
        folder = where
    check_made(name, folder)
    prepare()
    if name == "onnx-adapter":
        from phi3scaffold.runtime.forms.genai_adapter import GenaiAdapterForm

        return GenaiAdapterForm(folder, adapter, prompt)
    prompt = prompt or Prompt.load(folder)
    if name == "onnx":
        from phi3scaffold.runtime.forms.genai import GenaiForm

        return GenaiForm(folder, prompt)
    from phi3scaffold.runtime.forms.torch_form import TorchForm

    if name != "adapter":
        return TorchForm(name, folder, prompt)
    if base is None:
        raise ValueError("the adapter form needs the base model's folder")
    check_made("base", base)
    return TorchForm(name, base, prompt, adapter=folder)


def check_made(name: str, folder: Path) -> None:
    """Raise ScaffoldError, naming the verb that makes it, unless the form lies in `folder`."""
    mark, verb = _MARKS[name]
    if not (folder / mark).is_file():
        raise ScaffoldError(
            f"The {name} form was not made yet: it has no {mark}.",
            where=folder,
            fix=f"run: phi3scaffold {verb}   (everything at once: phi3scaffold run)",
        )


def _any_prompt(project: Project) -> Prompt:
    for folder in (project.onnx, project.merged, project.adapter):
        if (folder / FILE).is_file():
            return Prompt.load(folder)
    raise ScaffoldError(
        "The base has no prompt of its own, and no form with one was made yet.",
        where=project.gen,
        fix="run: phi3scaffold run",
    )
