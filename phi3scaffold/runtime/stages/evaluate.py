"""`phi3scaffold evaluate`: ask every form the held-out rows and count the right answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from phi3scaffold.project import Project
from phi3scaffold.rows.turns import Conversation
from phi3scaffold.runtime.pipeline.stage import Context, Inputs, Stage
from phi3scaffold.runtime.stages.data import held_out_rows, read_held_out

if TYPE_CHECKING:
    from phi3scaffold.runtime.forms.form import Form

FORMS = ("base", "adapter", "onnx")
METRICS = "metrics.json"
ANSWERS = "answers.jsonl"
BATCH = 16


def inputs(project: Project) -> Inputs:
    return Inputs(settings={"rows": project.evaluate_rows, "forms": FORMS})


def run(context: Context) -> dict[str, Any]:
    """Write metrics.json (a rung a form) and answers.jsonl (a row a line)."""
    from phi3scaffold.runtime.forms import open_form
    from phi3scaffold.runtime.forms.genai import missing_provider

    project = context.project
    rows = read_held_out(project, project.evaluate_rows)
    missing = missing_provider(project.onnx)
    asked = [name for name in FORMS if not (name == "onnx" and missing)]
    answers: dict[str, list[str]] = {}
    prompts: dict[str, list[list[int]]] = {}
    for name in asked:
        form = open_form(name, project)
        try:
            prompts[name] = [form.encode(row.messages[:-1]) for row in rows]
            answers[name] = _ask(form, prompts[name], context)
        finally:
            form.close()
    labels = form.prompt.labels
    rungs = {name: score(rows, answers[name], answers["adapter"], labels) for name in asked}
    for name in asked:
        pairs = zip(prompts[name], prompts["adapter"], strict=True)
        rungs[name]["other_prompt"] = sum(mine != its for mine, its in pairs) / len(rows)
    metrics = {
        "rows": len(rows),
        "held_out": held_out_rows(project),
        "demonstration": project.is_demonstration,
        "forms": rungs,
        "not_measured": {"onnx": f"built for {missing}, which is not here"} if missing else {},
    }
    (context.out / METRICS).write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    with (context.out / ANSWERS).open("w", encoding="utf-8", newline="\n") as lines:
        for index, row in enumerate(rows):
            said = {name: answers[name][index] for name in asked}
            record = {"place": row.place, "expected": row.answer, **said}
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")
    return metrics


def _ask(form: Form, prompts: Sequence[list[int]], context: Context) -> list[str]:
    """Greedy answers to all prompts, in order; prompts of like length go together."""
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    said = [""] * len(prompts)
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        made = form.generate([prompts[i] for i in batch], form.prompt.max_new_tokens)
        for index, ids in zip(batch, made, strict=True):
            said[index] = form.decode(ids).strip()
        done = min(start + BATCH, len(order))
        context.emit({"kind": "step", "step": done, "of": len(order), "form": form.name})
    return said


def score(
    rows: Sequence[Conversation],
    said: Sequence[str],
    adapter: Sequence[str],
    labels: Sequence[str],
) -> dict[str, float]:
    """Shares between 0 and 1.

    Returns:
        ``accuracy``: answers equal to the expected one; ``agreement``: equal to the adapter's;
        for a classification ``invalid``: answers that are none of the labels.
        (`run` adds ``other_prompt``: prompts whose token ids are not the adapter's.)
    """
    count = len(rows)
    rung = {
        "accuracy": sum(s == row.answer.strip() for s, row in zip(said, rows, strict=True)) / count,
        "agreement": sum(s == a for s, a in zip(said, adapter, strict=True)) / count,
    }
    if labels:
        rung["invalid"] = sum(s not in labels for s in said) / count
    return rung


STAGE = Stage(
    name="evaluate",
    title="asking every form the held-out rows",
    folder=lambda project: project.report,
    inputs=inputs,
    run=run,
    after=("data", "model", "finetune", "export"),
    packages=("torch", "transformers", "peft", "onnxruntime", "onnxruntime-genai"),
    needs_torch=True,
)
