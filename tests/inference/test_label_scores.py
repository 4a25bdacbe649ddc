"""Likelihoods of labels: what may matter is read to its end, the rest has its upper bound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from phi3scaffold.inference.calibration import LabelCalibration, save
from phi3scaffold.inference.forms.reading import Continuation, PromptReading
from phi3scaffold.inference.label_scores import MARGIN, score_labels
from phi3scaffold.pipeline import manifest
from phi3scaffold.pipeline.manifest import FileEntry, Manifest

LABELS = ((2, 1), (2, 3, 1), (4, 5, 1), (6, 1))


class Model(PromptReading):
    """Random logits behind each beginning of an answer."""

    def __init__(self, scale: float) -> None:
        super().__init__([3, 4, 9])
        self.scale, self.asked = scale, 0

    def logits(self, row: int, ids: Sequence[int]) -> np.ndarray:
        heads = ([row, *ids[:place], 99] for place in range(len(ids)))
        drawn = [np.random.default_rng(head).standard_normal(12) for head in heads]
        return (self.scale * np.stack(drawn)).astype(np.float32)

    def score(self, continuations: Sequence[Continuation]) -> Iterator[np.ndarray]:
        self.asked += len(continuations)
        yield from (self.logits(row, ids) for row, ids in continuations)

    def answer(self, starts: Sequence[Continuation], room: int) -> list[list[int]]:
        raise NotImplementedError

    def likelihood(self, row: int, ids: Sequence[int]) -> float:
        logits = self.logits(row, ids).astype(np.float64)
        own = logits[range(len(ids)), list(ids)]
        return float((own - np.log(np.exp(logits).sum(-1))).sum())


@pytest.mark.parametrize("scale", [1.0, 8.0, 30.0])
def test_what_may_matter_is_exact_and_the_rest_is_at_most_so(scale: float) -> None:
    model = Model(scale)
    scores = score_labels(model, LABELS)
    assert sorted(scores) == model.rows
    for row, found in scores.items():
        whole = [model.likelihood(row, label) for label in LABELS]
        best = max(whole)
        assert max(found) == pytest.approx(best, abs=1e-4)
        for mine, true in zip(found, whole, strict=True):
            exact = mine == pytest.approx(true, abs=1e-4)
            assert exact or (mine >= true and mine < best - MARGIN)
    assert model.asked <= len(LABELS) * len(model.rows)
    assert scale < 30 or model.asked < len(LABELS) * len(model.rows)


def test_probabilities_are_ranked_and_softer_where_it_is_hotter() -> None:
    cold, hot = (
        LabelCalibration(("a", "b", "c", "d"), LABELS, at).of(Model(2.0))[3] for at in (1, 4)
    )
    assert [one.probability for one in cold] == sorted(one.probability for one in cold)[::-1]
    assert sum(one.probability for one in hot) == pytest.approx(1)
    assert cold[0].label == hot[0].label and cold[0].probability > hot[0].probability


def test_a_calibration_is_that_of_its_form_only(tmp_path: Path) -> None:
    own = Manifest("export", "", {}, {}, {"model.onnx": FileEntry("0" * 64, 1)})
    manifest.write(tmp_path, own)
    file = tmp_path / "calibration.json"
    one = LabelCalibration(("a", "b"), LABELS[:2], 1.5, 0.8, own.content)
    save(file, {"onnx": one})
    assert LabelCalibration.load(file, "onnx", tmp_path) == one
    assert LabelCalibration.load(file, "merged", tmp_path) is None
    other = Manifest("export", "", {}, {}, {"model.onnx": FileEntry("1" * 64, 1)})
    manifest.write(tmp_path, other)
    assert LabelCalibration.load(file, "onnx", tmp_path) is None
    for broken in ("", "[]", '{"onnx": 1}', '{"onnx": {"labels": ["a"], "ids": [], "x": 1}}'):
        file.write_text(broken)
        assert LabelCalibration.load(file, "onnx", tmp_path) is None
