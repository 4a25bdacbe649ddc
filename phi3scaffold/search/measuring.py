"""Measure points on validation rows as the evaluation measures forms on held-out rows."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from phi3scaffold.conversion.form_files import size_of
from phi3scaffold.datasets.prepared_rows import VALIDATION, has_validation
from phi3scaffold.datasets.question_groups import question_groups
from phi3scaffold.datasets.spec import load_spec
from phi3scaffold.evaluation.evaluation_set import sample_rows
from phi3scaffold.evaluation.form_estimates import FormEstimates, MeasuredRows
from phi3scaffold.evaluation.looks import spread_order
from phi3scaffold.evaluation.measurement import Candidate, Measurement, Timing
from phi3scaffold.evaluation.search_record import PointRecord
from phi3scaffold.evaluation.subprocess_measurement import measure_in_subprocess
from phi3scaffold.pipeline.events import Emit
from phi3scaffold.pipeline.logs import log_file
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import try_json, write_json
from phi3scaffold.project.settings import Project
from phi3scaffold.search.selection import SEARCHED, TIMED

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
        self._groups = question_groups(self._dataset.rows)
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
        # those first whose logits were saved: of long answers these are a few
        saved_rows = self._reference.starts
        self._order = sorted(spread_order(self.rows), key=lambda row: row not in saved_rows)

    def measure(self, point: PointRecord, folder: Path, rows: int, emit: Emit) -> None:
        """Set a point's values, of its model in `folder`, on so many rows.

        Raises:
            ScaffoldError: the model cannot be opened, or its process died.
        """
        numbers = sorted(self._order[:rows])
        found = self._ask(folder, numbers, emit)
        numbers = [numbers[place] for place in found.rows]
        dataset, adapter = self._dataset.take(numbers), self._adapter.take(numbers)
        whole = range(len(numbers))
        forms = {"adapter": MeasuredRows(whole, adapter), "onnx": MeasuredRows(whole, found)}
        groups = [self._groups[number] for number in numbers]
        estimates = FormEstimates(dataset, forms, groups, {}).of("onnx")
        values = {name: estimates[name].value for name in SEARCHED if name in estimates}
        point.intervals = {name: [estimates[name].low, estimates[name].high] for name in values}
        point.bytes, point.rows = size_of(folder), len(numbers)
        values |= {
            "size_mb": point.bytes / 1e6,
            "tokens_per_second": found.tokens_per_second,
            "first_token_ms": 1000 * found.first_token_seconds,
            **({"memory_mb": found.peak_bytes / 1e6} if found.peak_bytes else {}),
        }
        timed = point.values if point.noise else {}  # its rounds have told better
        point.values = values | {name: timed[name] for name in TIMED if name in timed}

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


def half_width(values: Sequence[float]) -> float:
    """Return half the width of the 95 % interval of the median of `values`."""
    if len(values) < 4:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4)
    return NOTCH * float(high - low) / len(values) ** 0.5
