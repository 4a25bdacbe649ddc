"""MODEL_CARD.md: the same run as the page, in the format of the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from phi3scaffold import __version__
from phi3scaffold.evaluation import gate
from phi3scaffold.project.formatting import decimal_size, perplexity, rate
from phi3scaffold.project.limits import show
from phi3scaffold.project.settings import DEMONSTRATION
from phi3scaffold.reporting import report_page
from phi3scaffold.reporting.page_parts import cards
from phi3scaffold.reporting.run_record import Made
from phi3scaffold.reporting.training_settings import training_settings

CARD = "MODEL_CARD.md"
RUN = "## How to run it"  # the section of the card that `publish` replaces
OWN_ROWS = "own-rows"  # the type of a data set that has no id on the hub
COSTS = ("perplexity", "tokens/s", "disk")
LEGENDS = {
    True: "right: free answers that are the expected label; scored: the likeliest label is.",
    False: "exact: answers that are the expected one, letter by letter; ROUGE-L: the longest "
    "common subsequence of words.",
}


def write(made: Made, path: Path) -> None:
    """Write the card; the same `made` gives the same bytes."""
    from huggingface_hub import ModelCard

    checks = [gate.Check(**found) for found in made.release["checks"]]
    cards.write(
        ModelCard,
        metadata(made),
        "model_card.md.j2",
        path,
        made=made,
        run=RUN,
        origin=origin(made.sources),
        version=__version__,
        demonstration=DEMONSTRATION.capitalize(),
        task=report_page.TASKS[made.metrics["task"]].format(labels=len(made.metrics["labels"])),
        error=gate.verdict(checks),
        settings=_two("setting", "value", training_settings(made.config)),
        ladder=_ladder(made),
        legend=f"{LEGENDS[bool(made.metrics['labels'])]} same answers: rows in which it says what "
        "the adapter says; same tokens: tokens of the adapter's answers that it would have chosen, "
        "too. perplexity: of the expected answers.",
        warnings=report_page.warnings(checks),
        baselines=[(told, told) for told in report_page.baselines(made)],
        gate=cards.table(
            ("limit", "verdict", "measured", "allowed"), [_check(c) for c in checks], numbers=False
        ),
        few=made.metrics["rows"] < report_page.FEW,
        one_column=made.columns == 1,
        hashes=_two("what", "sha256", report_page.hashes(made)),
    )


def origin(sources: Sequence[str]) -> str:
    """Which data sets of the hub rows came from, as a sentence; empty where from none."""
    named = ", ".join(map(cards.plain, sources))
    return f" The rows come from {named}." if named else ""


def metadata(made: Made) -> Any:
    """The card's YAML: a ModelCardData, with the best form's results."""
    from huggingface_hub import ModelCardData

    found = results(
        made.metrics,
        made.best,
        dataset_type=made.sources[0] if made.sources else OWN_ROWS,
        dataset_name=f"held-out rows of {made.name}",
    )
    known = made.licence.lower()
    return ModelCardData(
        model_name=re.sub(r"[^\w.-]+", "-", made.name).strip("-") or "model",
        license=known if known != "unknown" else None,
        base_model=made.hub_id,
        datasets=list(made.sources) or None,
        pipeline_tag="text-generation",
        tags=[
            *("phi3", "olive", "onnx", "onnxruntime-genai", "phi3scaffold"),
            *(made.config.algo.lower(), made.config.precision),
            *(["demonstration"] if made.demonstration else []),
        ],
        metrics=[result.metric_type for result in found],
        eval_results=found,
    )


def results(
    metrics: Mapping[str, Any], form: str, *, dataset_type: str, dataset_name: str
) -> list[Any]:
    """What was measured of one form: a list of EvalResult.

    Args:
        metrics: metrics.json's content.
        form: one that was measured.
        dataset_type: what the rows are, a data set's id where they have one.
        dataset_name: the same for people.
    """
    from huggingface_hub import EvalResult

    rung, classes = metrics["forms"][form], bool(metrics["labels"])
    numbers = {"perplexity": ("Perplexity", rung["perplexity"])}
    if classes:
        numbers |= {
            "accuracy": ("Accuracy", rung["accuracy"]),
            "f1": ("Macro F1", rung["macro_f1"]),
        }
    else:
        numbers |= {
            "exact_match": ("Exact match", rung["exact_match"]),
            "rouge": ("ROUGE-L", rung["rouge_l"]),
        }
    return [
        EvalResult(
            task_type="text-classification" if classes else "text-generation",
            dataset_type=dataset_type,
            dataset_name=dataset_name,
            dataset_split="held_out",
            metric_type=kind,
            metric_name=f"{name} ({form})",
            metric_value=value,
        )
        for kind, (name, value) in sorted(numbers.items())
    ]


def _ladder(made: Made) -> str:
    right = "right" if made.metrics["labels"] else "exact"
    columns = ("form", right, "95 %", report_page.second(made), *report_page.LIKENESS, *COSTS)
    rows = []
    for name in made.forms:
        rung = made.rung(name)
        share, (low, high), other = report_page.score(rung)
        like = ("", "") if name == "adapter" else report_page.alike(rung)
        interval = f"{100 * low:.1f} to {100 * high:.1f}"
        numbers = (perplexity(rung["perplexity"]), rate(rung["tokens_per_second"]))
        room = decimal_size(rung["disk_bytes"])
        shares = (report_page.percent(share), interval, report_page.percent(other), *like)
        rows.append((name, *shares, *numbers, room))
    return cards.table(columns, rows)


def _check(found: gate.Check) -> tuple[str, ...]:
    bound = f"{'at most' if found.most else 'at least'} {show(found.limit, found.unit)}"
    value = "" if found.value is None else show(found.value, found.unit)
    at = f" at {found.rung}" if found.rung else ""
    return (f"`{found.key}`", f"{found.verdict}{cards.plain(found.why and ', ' + found.why)}",
            f"{value}{at}", bound)  # fmt: skip


def _two(first: str, second: str, pairs: list[tuple[str, str]]) -> str:
    rows = [(cards.plain(n), cards.plain(v)) for n, v in pairs]
    return cards.table((first, second), rows, numbers=False)
