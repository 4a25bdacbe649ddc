"""Measure points on validation rows as the evaluation measures forms on held-out rows."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from phi3scaffold.conversion.form_files import size_of
from phi3scaffold.datasets.prepared_rows import VALIDATION, has_validation
from phi3scaffold.datasets.spec import load_spec
from phi3scaffold.evaluation.evaluation_set import sample_rows
from phi3scaffold.evaluation.form_metrics import compute_metrics
from phi3scaffold.evaluation.measurement import Candidate, Measurement, Timing, spread_order
from phi3scaffold.evaluation.metrics import FormMetrics
from phi3scaffold.evaluation.search_record import PointRecord
from phi3scaffold.evaluation.subprocess_measurement import measure_in_subprocess
from phi3scaffold.pipeline.events import Emit
from phi3scaffold.pipeline.logs import log_file
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import try_json, write_json
from phi3scaffold.project.settings import Project
from phi3scaffold.search.selection import TIMED

MOST_ROWS = 256  # more tell little more of a divergence, and take their time
TIMED_ROUND = Timing(prompts=9, seconds=5.0)
NOTCH = 1.57  # of the interquartile range over sqrt(n): McGill's interval of a median, halved


def check_rows(project: Project) -> None:
    """Refuse a project without validation rows: held-out rows must not choose."""
    if not has_validation(project.rows):
        raise ScaffoldError(
            "There are no validation rows, and held-out rows must not choose what ships.",
            where=f"{project.dataset_yaml}: files.validation",
            fix="validation: 0.1 there takes a tenth of the training rows; then `phi3scaffold run` "
            "trains without them",
        )


class Ruler:
    """Measures points against the adapter.

    Args:
        folder: keeps the adapter's measurement.
        key: decides it; that of another is made again.
    """

    def __init__(self, project: Project, folder: Path, key: str) -> None:
        self._project, self._folder, self._key = project, folder, key
        spec = load_spec(project.dataset_yaml)
        self._dataset = sample_rows(project.rows, spec, MOST_ROWS, VALIDATION)
        self._order = spread_order(len(self._dataset.rows))
        self.rows = len(self._dataset.rows)

    def measure_adapter(self, emit: Emit) -> None:
        """Measure what the points are compared with, where an earlier run has not."""
        saved, logits = self._folder / "adapter.json", self._folder / "adapter-logits.npy"
        content = try_json(saved)
        if content.get("key") != self._key or not logits.is_file():
            made = measure_in_subprocess(
                Candidate("adapter", self._project),
                self._dataset,
                emit,
                log_file(self._project),
                save_logits=logits,
            )
            content = {"key": self._key, "measurement": vars(made)}
            write_json(saved, content)
        self._adapter = Measurement(**content["measurement"])
        self._reference = self._adapter.as_reference(logits, self._dataset.end)

    def measure(self, point: PointRecord, folder: Path, rows: int, emit: Emit) -> None:
        """Set a point's values, of its model in `folder`, on so many rows.

        Raises:
            ScaffoldError: the model cannot be opened, or its process died.
        """
        numbers = sorted(self._order[:rows])
        found = self._ask(folder, numbers, emit)
        numbers = [numbers[place] for place in found.rows]
        dataset, adapter = self._dataset.take(numbers), self._adapter.take(numbers)
        own = compute_metrics(found, dataset, adapter)
        own.disk_bytes = size_of(folder)
        timed = point.values if point.noise else {}  # its rounds have told better
        values = _values(own, compute_metrics(adapter, dataset, adapter))
        point.values = values | {name: timed[name] for name in TIMED if name in timed}
        point.bytes, point.rows = own.disk_bytes, len(numbers)

    def time(self, points: Sequence[tuple[PointRecord, Path]], rounds: int, emit: Emit) -> None:
        """Set the speeds of points: medians over rounds in turn, each in a process of its own.

        So another program's load meets all of them alike.
        """
        by_length = sorted(range(self.rows), key=lambda row: len(self._adapter.prompts[row]))
        count = min(TIMED_ROUND.prompts, self.rows)
        numbers = [by_length[(2 * i + 1) * self.rows // (2 * count)] for i in range(count)]
        samples: dict[str, tuple[list[float], list[float]]] = {}
        for _ in range(rounds):
            for point, folder in points:
                found = self._ask(folder, numbers, emit, TIMED_ROUND)
                first, rates = samples.setdefault(point.key, ([], []))
                first += [1000 * seconds for seconds in found.first_token_samples]
                rates += found.rate_samples
        for point, _ in points:
            first, rates = samples[point.key]
            for name, values in zip(TIMED, (rates, first), strict=True):
                if values:
                    point.values[name] = statistics.median(values)
                    point.noise[name] = half_width(values)

    def _ask(
        self, folder: Path, numbers: Sequence[int], emit: Emit, timing: Timing | None = None
    ) -> Measurement:
        return measure_in_subprocess(
            Candidate("onnx", folder),
            self._dataset.take(numbers),
            emit,
            log_file(self._project),
            reference=self._reference.take(numbers),
            timing=timing,
        )


def _values(form: FormMetrics, adapter: FormMetrics) -> dict[str, float]:
    """Return a form's values by the names of the limits, in their units."""
    values = {
        "accuracy_lost": adapter.score - form.score,
        "perplexity_ratio": form.perplexity / adapter.perplexity,
        "agreement": form.agreement,
        "kl": form.kl_divergence,
        "size_mb": form.disk_bytes / 1e6,
        "tokens_per_second": form.tokens_per_second,
        "first_token_ms": 1000 * form.first_token_seconds,
        "memory_mb": form.peak_bytes / 1e6 or None,
    }
    return {name: float(value) for name, value in values.items() if value is not None}


def half_width(values: Sequence[float]) -> float:
    """Return half the width of the 95 % interval of the median of `values`."""
    if len(values) < 4:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4)
    return NOTCH * float(high - low) / len(values) ** 0.5
