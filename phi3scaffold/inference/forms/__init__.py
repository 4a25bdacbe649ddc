"""The forms a model comes in, from the base to what ships; each answers in the same way.

`base`, `adapter` (PEFT over the base), `merged` (transformers), and with ONNX Runtime GenAI `onnx`
(the merged model), `onnx-adapter` (adapters to swap over one base), `onnx-base` (the base alone).
Opening one imports only what that form needs: the last three import neither torch nor transformers.
"""

from __future__ import annotations

from pathlib import Path

from phi3scaffold.inference.forms.form import Form
from phi3scaffold.models.prompt import FILE, Prompt
from phi3scaffold.pipeline import manifest
from phi3scaffold.pipeline.environment import prepare
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.settings import Project

FORMS = ("onnx", "onnx-adapter", "onnx-base", "merged", "adapter", "base")
LADDER = ("base", "adapter", "merged", "onnx", "onnx-adapter")  # from what was there to what ships

# What shows that a form is whole, and the verb that makes it.
_MARKS = {
    "base": ("config.json", "model"),
    "adapter": ("adapter_config.json", "finetune"),
    "merged": ("config.json", "merge"),
    "onnx": ("genai_config.json", "export"),
    "onnx-adapter": ("genai_config.json", "adapters"),
    "onnx-base": ("genai_config.json", "export --base"),
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
        folder = folder_of(name, where)
        if adapter is None and where.adapters:
            adapter = where.adapters[0][0]
        if name == "base":
            prompt = prompt or prompt_of(name, where)
    else:
        folder = where
    check_made(name, folder)
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
    check_made("base", base)
    return TorchForm(name, base, prompt, adapter=folder)


def folder_of(name: str, project: Project) -> Path:
    """Where a project's form lies, or will lie."""
    return {
        "base": project.base,
        "adapter": project.adapter,
        "merged": project.merged,
        "onnx": project.onnx,
        "onnx-adapter": project.onnx_adapter,
        "onnx-base": project.onnx_base,
    }[name]


def prompt_of(name: str, project: Project) -> Prompt:
    """The prompt a project's form is asked with; the base, which has none, with the newest form's.

    Raises:
        ScaffoldError: there is none.
    """
    if name != "base":
        return Prompt.load(folder_of(name, project))
    for folder in (project.onnx, project.merged, project.adapter):
        if (folder / FILE).is_file():
            return Prompt.load(folder)
    raise ScaffoldError(
        "The base has no prompt of its own, and no form with one was made yet.",
        where=project.gen,
        fix="run: phi3scaffold run",
    )


def mark_of(name: str, folder: Path) -> Path:
    """The file that shows that the form is there."""
    return folder / _MARKS[name][0]


def check_made(name: str, folder: Path) -> None:
    """Refuse a form that is not there, or not there whole.

    Raises:
        ScaffoldError: it was not made yet (naming the verb that makes it); or a file is missing or
            of another size than the folder's manifest says (exit code 1).
    """
    mark, verb = _MARKS[name]
    if not (folder / mark).is_file():
        raise ScaffoldError(
            f"The {name} form was not made yet: it has no {mark}.",
            where=folder,
            fix=f"run: phi3scaffold {verb}   (everything at once: phi3scaffold run)",
        )
    made = manifest.read(folder)
    for file, entry in made.files.items() if made else ():
        path = folder / file
        if not path.is_file() or path.stat().st_size != entry["bytes"]:
            what = "is missing" if not path.is_file() else "is not as long as it was made"
            raise ScaffoldError(
                f"The {name} form is not whole: {file} {what}.",
                where=path,
                fix=f"make it again: phi3scaffold {verb}",
                exit_code=FAILED_RUN,
            )
