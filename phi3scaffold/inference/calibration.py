"""Calibrated probabilities of labels: one temperature a form, over the labels' log-likelihoods.

The temperature is fitted on validation rows (C. Guo et al., On LabelCalibration of Modern Neural
Networks, ICML 2017) when the forms are evaluated. It is written beside a form's prompt.json, in
calibration.json: the form itself, of which the manifest has the hashes, is not touched.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from phi3scaffold.inference.label_scores import score_labels
from phi3scaffold.pipeline import manifest
from phi3scaffold.project.files import try_json, write_json

if TYPE_CHECKING:
    from phi3scaffold.inference.forms.reading import PromptReading

FILE = "calibration.json"


class LabelProbability(NamedTuple):
    """A label and its probability."""

    label: str
    probability: float


@dataclass(frozen=True)
class LabelCalibration:
    """What gives one form's labels their probabilities.

    Attributes:
        labels: the labels.
        ids: of each label its token ids, the one that ends the turn included.
        temperature: by which log-likelihoods are divided.
        threshold: the proposed value of --abstain-below; None where no row showed one.
        content: the hash of the form that it was fitted for; None where it has none.
        adapter: of several adapters the one that it was fitted for.
    """

    labels: tuple[str, ...]
    ids: tuple[tuple[int, ...], ...]
    temperature: float
    threshold: float | None = None
    content: str | None = None
    adapter: str | None = None

    def probabilities(self, scores: Sequence[float]) -> list[float]:
        """Return the probability of each label, of their log-likelihoods."""
        return softmax(scores, self.temperature)

    def of(self, reading: PromptReading) -> dict[int, list[LabelProbability]]:
        """Return the labels of each prompt with their probabilities, the likeliest first."""
        ranked = {}
        for row, scores in score_labels(reading, self.ids).items():
            pairs = zip(self.labels, self.probabilities(scores), strict=True)
            ranked[row] = sorted((LabelProbability(*one) for one in pairs), key=lambda one: -one[1])
        return ranked

    @property
    def longest(self) -> int:
        """How many tokens the longest label has."""
        return max(map(len, self.ids))

    @classmethod
    def load(cls, file: Path, form: str, folder: Path) -> LabelCalibration | None:
        """Return a form's calibration; None where there is none for the form in `folder`."""
        values: Any = try_json(file).get(form)
        try:
            found = cls(
                **{
                    **values,
                    "labels": tuple(map(str, values["labels"])),
                    "ids": tuple(tuple(map(int, ids)) for ids in values["ids"]),
                    "temperature": float(values["temperature"]),
                }
            )
        except (TypeError, ValueError, KeyError):
            return None
        if len(found.labels) != len(found.ids) or not all(found.ids) or found.temperature <= 0:
            return None
        record = manifest.read(folder)
        return found if found.content in (None, record and record.content) else None


def save(file: Path, calibrations: Mapping[str, LabelCalibration]) -> None:
    """Write the calibrations of forms, whole or not at all."""
    write_json(file, {form: asdict(one) for form, one in calibrations.items()})


def softmax(scores: Sequence[float], temperature: float) -> list[float]:
    """Return probabilities that sum to 1."""
    most = max(scores)
    powers = [math.exp((score - most) / temperature) for score in scores]
    return [power / sum(powers) for power in powers]
