"""Rows that were evaluated elsewhere, put into a project as if it had measured them itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from phi3scaffold.datasets.conversations import Conversation
from phi3scaffold.evaluation.baselines import BaselineAnswers
from phi3scaffold.evaluation.comparison import Comparison
from phi3scaffold.evaluation.evaluated_rows import EvaluatedRow, write_rows
from phi3scaffold.evaluation.evaluation_set import EvaluationSet
from phi3scaffold.evaluation.form_estimates import MeasuredRows
from phi3scaffold.evaluation.form_metrics import compute_metrics
from phi3scaffold.evaluation.measurement import Measurement
from phi3scaffold.evaluation.metrics import Baseline, Metrics

TOKENS = 3  # of each expected answer


def saved_form(
    answers: Sequence[str], losses: Sequence[float], kl: float = 0.0, agreed: int = TOKENS
) -> Measurement:
    """A form's answers, its loss of each expected one, and how far it is from the adapter."""
    rows = len(answers)
    return Measurement(
        rows=list(range(rows)),
        answers=list(answers),
        answer_ids=[[5]] * rows,
        ended=[True] * rows,
        prompts=[[1, 2]] * rows,
        log_likelihood=[-loss for loss in losses],
        likeliest=[0] * rows,
        agreed=[agreed if row % 20 == 0 else TOKENS for row in range(rows)],
        agreed_of=[TOKENS] * rows,
        kl=kl,
        max_logit_difference=0.5,
        compared=TOKENS * rows,
        first_token_seconds=0.05,
        tokens_per_second=100.0,
        kl_sums=[TOKENS * kl * (0.5 + row % 3 / 2) for row in range(rows)],
        kl_of=[TOKENS] * rows,
    )


def saved_metrics(
    task: str,
    expected: Sequence[str],
    forms: Mapping[str, Measurement],
    baselines: Mapping[str, Sequence[str]],
    labels: tuple[str, ...] = (),
) -> Metrics:
    """Return what the evaluation computes from them."""
    dataset = EvaluationSet(
        rows=tuple(
            Conversation(f"held-out.jsonl:{row}", [{"role": "assistant", "content": text}], {})
            for row, text in enumerate(expected, 1)
        ),
        answers=tuple((5,) * TOKENS for _ in expected),
        labels=labels,
        label_ids=tuple((5, number) for number in range(len(labels))),
        max_new_tokens=64,
        held_out=len(expected),
    )
    rows = list(range(len(expected)))
    adapter = forms["adapter"]
    comparison = Comparison(
        dataset,
        {name: compute_metrics(one, dataset, adapter) for name, one in forms.items()},
        {name: MeasuredRows(rows, one) for name, one in forms.items()},
        groups=rows,
    )
    comparison.estimate(
        {name: BaselineAnswers(Baseline(0.25), list(texts)) for name, texts in baselines.items()}
    )
    return Metrics(
        *(task, "saved", len(rows), len(rows)),
        labels=list(labels),
        forms=comparison.forms,
        baselines={name: Baseline(0.25, label="a") for name in baselines},
        questions=len(rows),
    )


def put(project: Path, metrics: Metrics, rows: Sequence[EvaluatedRow]) -> None:
    """Put an evaluation into a project that has one; its manifest says that it is the project's."""
    folder = project / "gen-model" / "evaluation"
    values = metrics.to_json()
    (folder / "metrics.json").write_text(json.dumps(values), encoding="utf-8")
    write_rows(folder / "answers.jsonl", rows)
    path = folder / "manifest.json"
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    manifest["facts"] = values
    for name in ("metrics.json", "answers.jsonl"):
        content = (folder / name).read_bytes()
        sha = hashlib.sha256(content).hexdigest()
        manifest["files"][name] = {"sha256": sha, "bytes": len(content)}
    path.write_text(json.dumps(manifest), encoding="utf-8")
