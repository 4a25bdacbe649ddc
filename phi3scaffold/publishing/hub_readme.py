"""The report's model card as the repository's README.

Its metadata has the metrics of the published forms, and code for each replaces the commands.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from phi3scaffold.conversion.adapter_file import CONFIG, ONNX_ADAPTERS
from phi3scaffold.evaluation.metrics import read_metrics
from phi3scaffold.inference.forms.genai_adapter import adapter_names
from phi3scaffold.inference.forms.kinds import KINDS, folder_of
from phi3scaffold.models import catalogue
from phi3scaffold.models.base_model import Base
from phi3scaffold.models.licences import UNKNOWN
from phi3scaffold.models.prompt import Prompt
from phi3scaffold.project.files import read_json
from phi3scaffold.project.layout import METRICS, MODEL_CARD
from phi3scaffold.project.settings import Project
from phi3scaffold.reporting import cards, model_card
from phi3scaffold.training import nf4

LICENCE = "LICENSE"
PIN = re.compile(r"^([A-Za-z0-9._-]+)==[\w.]+$", re.M)


def sources(project: Project) -> tuple[str, ...]:
    """Return the data sets of the hub that rows came from, by the model card."""
    from huggingface_hub import ModelCard

    return tuple(ModelCard.load(project.report / MODEL_CARD).data.datasets or ())


def write(
    project: Project,
    repo: str,
    forms: Sequence[str],
    *,
    notice: bool,
    rows: bool,
    named: Collection[str] = (),
) -> str:
    """Return the README of a repository, OWNER/NAME.

    Args:
        forms: the forms that it will hold.
        notice: whether it holds the base model's licence.
        rows: whether it holds the rows.
        named: the data sets of the rows that are public.
    """
    from huggingface_hub import ModelCard

    own = ModelCard.load(project.report / MODEL_CARD)
    public = [name for name in own.data.datasets or () if name in named]
    text = own.text.replace(model_card.origin(own.data.datasets or ()), model_card.origin(public))
    before, _, rest = text.partition(f"\n{model_card.RUN}\n")
    after = rest[rest.index("\n## ") + 1 :]
    how = _how_to_run(project, repo, forms, _licence(project, notice), rows)
    own.data.model_name = repo.split("/")[-1]
    own.data.datasets = public or None
    metadata = _metadata(project, own.data, forms).to_yaml()
    return f"---\n{metadata}\n---\n{before.rstrip()}\n\n{how}{after.rstrip()}\n"


def _metadata(project: Project, data: Any, forms: Sequence[str]) -> Any:
    metrics = read_metrics(project.evaluation / METRICS)
    genai = [form for form in forms if form.startswith("onnx")]
    if not genai:
        data.tags = [tag for tag in data.tags if not tag.startswith("onnx")]
    if data.base_model:
        data.base_model_relation = "adapter" if list(forms) == ["adapter"] else "finetune"
    # for transformers and PEFT the hub would show code that loads the repository's root
    data.library_name = "onnxruntime-genai" if genai else None
    rows = data.eval_results[0].dataset_name
    kind = data.datasets[0] if data.datasets else model_card.OWN_ROWS
    data.eval_results = [
        result
        for form in forms
        for result in model_card.results(metrics, form, dataset_type=kind, dataset_name=rows)
    ]
    return data


def _how_to_run(project: Project, repo: str, forms: Sequence[str], licence: str, rows: bool) -> str:
    folder = folder_of(forms[0], project)
    adapter = adapter_names(project.onnx_adapter)[0] if "onnx-adapter" in forms else None
    swapped = forms[0] == "onnx-adapter"
    prompt = Prompt.load(folder / ONNX_ADAPTERS / str(adapter) if swapped else folder)
    words = read_json(folder / "tokenizer.json")
    return cards.render(
        "hub_readme.md.j2",
        repo=repo,
        forms=forms,
        what={form: KINDS[form].summary for form in forms},
        packages={form: _packages(project, form) for form in forms},
        adapter=adapter,
        columns=prompt.columns,
        system=prompt.fixed_system,
        eats=any(one.get("lstrip") or one.get("rstrip") for one in words.get("added_tokens", [])),
        base=_base(project),
        rounded=_quantization(project),
        rows=rows,
        licence=licence,
    )


def _base(project: Project) -> Base:
    """Return the base model as the adapter names it, which may have been made elsewhere."""
    base, path = Base.of(project), project.adapter / CONFIG
    if not path.is_file():
        return base
    config = read_json(path)
    return replace(base, name=config["base_model_name_or_path"], commit=config["revision"])


def _packages(project: Project, form: str) -> list[str]:
    """Return the packages that a form needs, pinned as for the project's own script."""
    script = "onnx" if form == "onnx-adapter" else form
    path = project.root / "inferences" / f"requirements-{script}.txt"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    pins = {pin[1]: pin[0] for pin in PIN.finditer(text)}
    if form == "adapter" and _quantization(project) is None:
        pins.pop("bitsandbytes", None)
    return ["huggingface_hub", *(pins.values() or KINDS[form].packages)]


def _quantization(project: Project) -> Any:
    """Return how QLoRA's base was rounded; None where it was not."""
    path = project.adapter / nf4.FILE
    return read_json(path) if path.is_file() else None


def _licence(project: Project, notice: bool) -> str:
    """Return what is known of the base model's licence, as a sentence."""
    entry = catalogue.find(project.model_id)
    if entry is None:
        return "The licence of the base model is unknown: ask before you redistribute this model."
    applies = f"The base model's licence ({entry.licence.title}) also applies to this model"
    if notice:
        return f"{applies}: `{LICENCE}`."
    if entry.hub_id:
        return f"{applies}; its notice is at [{entry.hub_id}]({entry.page})."
    return f"The base model's licence is {entry.licence.title}."


def known_licence(project: Project) -> str:
    """Return the base model's licence, or ``unknown``."""
    entry = catalogue.find(project.model_id)
    return (entry.licence if entry else UNKNOWN).title
