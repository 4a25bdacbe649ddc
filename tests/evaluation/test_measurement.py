"""What `measure` says of a real form, against transformers' own forward pass on the same rows."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.datasets.spec import load_spec
from phi3scaffold.evaluation.evaluation_set import EvaluationSet, sample_held_out
from phi3scaffold.evaluation.measurement import Candidate, Measurement, measure
from phi3scaffold.project.settings import load_project

ROWS = 24


@pytest.fixture(scope="module")
def asked(tiny_project: Path) -> EvaluationSet:
    spec = load_spec(load_project(tiny_project).dataset_yaml)
    return sample_held_out(tiny_project / "gen-model" / "data", spec, ROWS)


@pytest.fixture(scope="module")
def made(
    tiny_project: Path, asked: EvaluationSet, tmp_path_factory: pytest.TempPathFactory
) -> dict:
    """The adapter, and the others compared with it; in this process."""
    project, events = load_project(tiny_project), []
    logits = tmp_path_factory.mktemp("logits") / "logits.npy"
    found: dict[str, Any] = {"events": events}
    adapter = Candidate("adapter", project)
    found["adapter"] = measure(adapter, asked, events.append, save_logits=logits)
    reference = found["adapter"].as_reference(logits, asked.end)
    for form in ("adapter again", "merged", "onnx", "base"):
        subject = Candidate(form.split()[0], project)
        found[form] = measure(subject, asked, events.append, reference=reference)
    return found


def test_rows_are_spread_over_the_whole_split(tiny_project: Path, asked: EvaluationSet) -> None:
    """A held-out file may be sorted by label."""
    everything = sample_held_out(tiny_project / "gen-model" / "data", spec_of(tiny_project), 10_000)
    places = [row.place for row in everything.rows]
    chosen = [places.index(row.place) for row in asked.rows]
    assert asked.held_out == len(places) > 400
    assert len(asked.rows) == ROWS
    steps = {b - a for a, b in itertools.pairwise(chosen)}
    assert chosen[0] == 0 and steps <= {len(places) // ROWS, len(places) // ROWS + 1}


def test_the_ids_of_answers_are_those_that_were_trained(
    tiny_project: Path, asked: EvaluationSet
) -> None:
    """Each ends with the token that ends a turn, so that no label is the prefix of another."""
    tokenizer = json.loads((tiny_project / "model-cache/base/tokenizer.json").read_text())
    end = next(t["id"] for t in tokenizer["added_tokens"] if t["content"] == "<|end|>")
    assert asked.end == end
    assert {ids[-1] for ids in asked.answers + asked.label_ids} == {end}
    assert asked.labels == spec_of(tiny_project).labels
    by_label = dict(zip(asked.labels, asked.label_ids, strict=True))
    assert [by_label[row.answer] for row in asked.rows] == list(asked.answers)


def test_likelihoods_are_the_models_own(
    tiny_project: Path, asked: EvaluationSet, made: dict[str, Measurement]
) -> None:
    """One row after the other through transformers, without batch, cache or padding."""
    import torch
    from transformers import AutoModelForCausalLM

    folder = tiny_project / "gen-model" / "merged"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def log_likelihood(prompt: list[int], answer: tuple[int, ...]) -> float:
        ids = torch.tensor([[*prompt, *answer]])
        with torch.inference_mode():
            logits = model(ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        return float(logits[range(len(answer)), list(answer)].sum())

    merged = made["merged"]
    for row in range(ROWS):
        scores = [log_likelihood(merged.prompts[row], ids) for ids in asked.label_ids]
        assert merged.likeliest[row] == max(range(len(scores)), key=scores.__getitem__)
        own = log_likelihood(merged.prompts[row], asked.answers[row])
        assert merged.log_likelihood[row] == pytest.approx(own, abs=1e-3)


def test_a_form_compared_with_itself_is_the_same(made: dict[str, Measurement]) -> None:
    again = made["adapter again"]
    assert again.kl == pytest.approx(0, abs=1e-9)
    assert again.max_logit_difference == pytest.approx(0, abs=1e-4)
    assert again.agreed == again.agreed_of
    assert again.compared == sum(made["merged"].agreed_of)  # all positions, since they are few


def test_the_further_from_the_adapter_the_larger_the_divergence(
    made: dict[str, Measurement],
) -> None:
    kl = {name: made[name].kl or 0.0 for name in ("merged", "onnx", "base")}
    assert kl["merged"] < kl["onnx"] < kl["base"]
    assert sum(made["base"].agreed) < sum(made["onnx"].agreed) <= sum(made["onnx"].agreed_of)
    assert all(made["onnx"].ended)


def test_speed_and_progress_are_told(made: dict[str, Any]) -> None:
    for name in ("adapter", "merged", "onnx", "base"):
        assert made[name].first_token_seconds > 0
        assert made[name].tokens_per_second > 1
    adapter = [event for event in made["events"] if event.form == "adapter"]
    assert adapter[0].step == 0 and adapter[-1].step == ROWS
    assert {event.of for event in adapter} == {ROWS}
    assert adapter[0].phase == f"adapter: 0 of {ROWS} rows"


def test_answers_are_those_of_one_row_after_the_other(
    tiny_project: Path, asked: EvaluationSet, made: dict[str, Measurement]
) -> None:
    """Most are read off the scores of what was expected; the base's go on behind them."""
    for name in ("adapter", "merged", "onnx", "base"):
        with Candidate(name, load_project(tiny_project)).open() as form:
            for row in range(ROWS):
                ids = list(form.sample(made[name].prompts[row], asked.max_new_tokens))
                assert made[name].answer_ids[row] == ids
                assert made[name].ended[row] == (len(ids) < asked.max_new_tokens)


def test_the_rows_of_a_first_look_are_spread_and_the_same_as_among_all(
    tiny_project: Path,
    asked: EvaluationSet,
    made: dict[str, Measurement],
    tmp_path: Path,
) -> None:
    project, logits = load_project(tiny_project), tmp_path / "logits.npy"
    adapter = Candidate("adapter", project)
    few = measure(adapter, asked, lambda event: None, save_logits=logits, seconds=0.0)
    assert (few.looks[0], few.pilot, few.rows) == (8, 8, [0, 2, 4, 8, 12, 16, 18, 20])
    whole = made["adapter"]
    assert few.answers == [whole.answers[row] for row in few.rows]
    reference = few.as_reference(logits, asked.end)
    again = measure(adapter, asked.take(few.rows), lambda event: None, reference=reference)
    assert again.kl == pytest.approx(0, abs=1e-9)
    assert again.agreed == again.agreed_of
    assert again.compared == sum(len(asked.answers[row]) for row in few.rows)


def spec_of(project: Path) -> Any:
    return load_spec(load_project(project).dataset_yaml)
