"""Every form is prompted and stopped as it was trained.

A model needs the prompt of its training, token for token, and each form must know the token that
ends a turn, or its answers do not end. The check compares prompt.json of each form in gen-model/
with datasets/dataset.yaml, its tokenizer and chat template with those of the base model, and
eos_token_id in generation_config.json and genai_config.json with the tokens that end a turn and a
text.

To fix it: `phi3scaffold run` updates what is out of date. Do not edit files in gen-model/; they
follow from datasets/dataset.yaml and the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from phi3scaffold.checks.lint_context import DATASET, LintContext
from phi3scaffold.conversion.form_files import GENAI_CONFIG
from phi3scaffold.datasets.spec import load_spec
from phi3scaffold.models.prompt import FILE, WHOLE, Prompt
from phi3scaffold.models.template_file import read_template
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import read_json
from phi3scaffold.project.findings import Finding, Skip

ID = "L12-prompt"
AGAIN = "phi3scaffold run"
TOKENIZER = ("tokenizer.json", "chat_template.jinja")
UNTUNED = ("onnx-base",)  # made from the base alone


def check(context: LintContext) -> Iterator[Finding]:
    folders = sorted(path.parent for path in context.root.glob(f"gen-model/*/{FILE}"))
    if not folders:
        raise Skip("there is no model yet")
    stops = _base_stops(context.root / "model-cache" / "base")
    for folder in folders:
        try:
            prompt = Prompt.load(folder)
        except ScaffoldError as error:
            yield context.finding(ID, error)
            continue
        yield from _as_dataset(context, folder, prompt)
        yield from _tokenizer(context, folder)
        yield from _stops(context, folder, prompt, stops)


def _as_dataset(context: LintContext, folder: Path, prompt: Prompt) -> Iterator[Finding]:
    """Compare with dataset.yaml: a model is prompted by prompt.json, whatever that says today."""
    try:
        spec = load_spec(context.root / DATASET)
    except ScaffoldError:
        return
    user = WHOLE if spec.messages else spec.user
    now = {"task": spec.task, "user": user, "system": spec.system, "labels": spec.labels}
    differ = [key for key, current in now.items() if getattr(prompt, key) != current]
    if differ:
        what = f"It was made with another {' and '.join(differ)} than {DATASET} says now."
        yield Finding(ID, "warning", what, f"{_name(context, folder / FILE)}: {differ[0]}", AGAIN)


def _tokenizer(context: LintContext, folder: Path) -> Iterator[Finding]:
    for name in TOKENIZER:
        base, own = context.root / "model-cache" / "base" / name, folder / name
        if base.is_file() and (not own.is_file() or own.read_bytes() != base.read_bytes()):
            what = f"It is not the base model's {name}: its prompts would be other tokens."
            yield Finding(ID, "error", what, _name(context, own), AGAIN)


def _stops(
    context: LintContext, folder: Path, prompt: Prompt, base: dict[int, str]
) -> Iterator[Finding]:
    missing = [why for one, why in base.items() if one not in prompt.stop]
    if missing:
        what = f"It does not stop at {missing[0]}."
        yield Finding(ID, "error", what, f"{_name(context, folder / FILE)}: stop", AGAIN)
    for name, path in (
        ("generation_config.json", ("eos_token_id",)),
        (GENAI_CONFIG, ("model", "eos_token_id")),
    ):
        document = context.document(_name(context, folder / name))
        if document is None:
            continue
        found = set(_ids(document.get(*path)))
        if not set(prompt.stop) <= found:
            what = f"It stops at {sorted(found)}, {FILE} at {list(prompt.stop)}."
            yield Finding(ID, "error", what, document.at(*path), AGAIN)


def _base_stops(base: Path) -> dict[int, str]:
    """Return the ids at which answers of the base model end, in words; {} where it is not here."""
    try:
        added = {
            token["content"]: int(token["id"])
            for token in read_json(base / "tokenizer.json").get("added_tokens", [])
        }
    except (ScaffoldError, KeyError, TypeError):
        return {}
    names = {number: text for text, number in added.items()}
    found: dict[int, str] = {}
    for name in ("generation_config.json", "config.json"):
        try:
            for one in _ids(read_json(base / name).get("eos_token_id")):
                if one in names:
                    found[one] = f"{names[one]} ({one}), as the model's {name} does"
        except ScaffoldError:
            continue
    end = _end_of_turn(base, added)
    if end is not None:
        found[added[end]] = f"{end} ({added[end]}), which ends a turn in the model's chat template"
    return found


def _end_of_turn(base: Path, added: dict[str, int]) -> str | None:
    """Return the first control token behind an answer, as the chat template writes it.

    Needs no transformers; None where the template cannot be rendered by Jinja alone.
    """
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "~b~"}]
    try:
        written = read_template(base).render(turns, to_answer=False)
    except (ScaffoldError, OSError):
        return None
    rest = written.partition("~b~")[2]
    there = [(rest.index(mark), -len(mark), mark) for mark in added if mark and mark in rest]
    return min(there)[2] if there else None


def _ids(value: Any) -> list[int]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _name(context: LintContext, path: Path) -> str:
    return path.relative_to(context.root).as_posix()
