"""What probably was the reason for a failed limit, and which setting to change, to which value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phi3scaffold.evaluation.metrics import Metrics
from phi3scaffold.evaluation.training_outcome import TrainingOutcome
from phi3scaffold.project.olive_config import OliveConfig
from phi3scaffold.project.settings import MERGE_BASES, Project

MERGED_LABELS = 0.5  # share of a label's rows that are answered with one other label
GROUP = 32  # weights that share a scale; the smallest block that all quantizers have
ORIGINAL, NF4 = MERGE_BASES
CLOSER = "phi3scaffold optimize looks for a closer quantization within the limits"


def advise(
    form: str, project: Project, config: OliveConfig, outcome: TrainingOutcome, metrics: Metrics
) -> str:
    """Return the advice for the first form that failed, from what the run knows; "" without any.

    Args:
        form: the form.
        project: its settings.
        config: the Olive configuration.
        outcome: of the training.
        metrics: of the forms.
    """
    if form == "adapter":
        parts = [outcome.reason, _merged_labels(metrics), _rank(config, outcome)]
    elif form == "merged":
        parts = [_merge_base(project, config)]
    else:
        parts = [_quantizer(config), _merge_base(project, config)]
    return "; ".join(filter(None, parts))


def _rank(config: OliveConfig, outcome: TrainingOutcome) -> str:
    """Return what to try where the training itself went well."""
    rank = config.training_pass.get("r")
    if outcome.reason or not isinstance(rank, int):
        return ""
    return f"the adapter has rank {rank}: phi3scaffold set rank={2 * rank}"


def _merged_labels(metrics: Metrics) -> str:
    """Return which two labels the adapter hardly tells apart."""
    adapter = metrics.forms.get("adapter")
    table = (adapter.confusion if adapter else None) or []
    for row, counts in enumerate(table):
        others = {column: n for column, n in enumerate(counts[:-1]) if column != row}
        column = max(others, key=lambda one: others[one], default=None)
        if column is not None and others[column] > MERGED_LABELS * sum(counts) > 0:
            wrong, right = metrics.labels[column], metrics.labels[row]
            return f'most rows of "{right}" are answered "{wrong}": look at the labels of both'
    return ""


def _quantizer(config: OliveConfig) -> str:
    """Return the next closer quantizer."""
    settings = _quantize_pass(config)
    kind, name = str(settings.get("type", "")).lower(), settings.get("name", "quantize")
    bits, group = settings.get("bits"), settings.get("group_size")
    if isinstance(bits, int) and bits < 4:
        return f"{bits} bits round too coarsely: phi3scaffold set {name}.bits=4"
    if isinstance(group, int) and (group > GROUP or group == -1):
        text = (
            f"{group} weights share a scale" if group > 0 else "all weights of a row share a scale"
        )
        return f"{text}: phi3scaffold set {name}.group_size={GROUP}"
    if kind in ("rtn", "kquant"):
        return f"{kind} rounds each weight by itself: {CLOSER}"
    if isinstance(bits, int) and bits < 8:
        return f"{bits} bits lose too much of this model: phi3scaffold set {name}.bits=8"
    return ""


def _quantize_pass(config: OliveConfig) -> Mapping[str, Any]:
    quantizer = config.quantizer.lower()
    for name, settings in config.passes.items():
        if str(settings.get("type", "")).lower() == quantizer:
            return {**settings, "name": name}
    return {}


def _merge_base(project: Project, config: OliveConfig) -> str:
    if config.algo.lower() != "qlora":
        return ""
    other = NF4 if project.merge_base == ORIGINAL else ORIGINAL
    text = "the adapter was trained over the NF4 base and merged into another"
    if other == ORIGINAL:
        text = "the values of the NF4 base are not on the quantizer's grid"
    return f"{text}: phi3scaffold set merge_base={other}"
