"""What is read once for many rows gives the same as each row read by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phi3scaffold.inference.forms import open_form
from phi3scaffold.inference.forms.form import Form
from phi3scaffold.inference.forms.reading import shared_prefix
from phi3scaffold.inference.forms.torch_form import TorchForm
from phi3scaffold.models.prompt import Prompt
from tests.inference.small_forms import make_base, prompt

BEGIN = "She said: the quick brown fox jumps over the lazy dog. "
TEXTS = ("hi", "a rather longer text, is it not?", "x y", "1 2 3 4 5 6", "hi, hi, hi", "joy")
LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0] * 32,
    "long_factor": [1.0 + number / 8 for number in range(32)],
}
SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "grouped queries": {"num_attention_heads": 4, "num_key_value_heads": 1},
    "a short window": {"sliding_window": 24},
    "a window that holds all": {"sliding_window": 256},
    "longrope, some beyond": {
        "rope_parameters": LONGROPE,
        "original_max_position_embeddings": 48,
    },
}


def prompts_of(form: Form) -> list[list[int]]:
    return [form.encode(form.prompt.messages(BEGIN + text)) for text in TEXTS]


def test_a_shared_beginning_leaves_a_token_of_each_prompt() -> None:
    begin = list(range(9))
    assert shared_prefix([[*begin, 1, 2], [*begin, 1, 3], [*begin, 7]]) == 9
    assert shared_prefix([begin, begin]) == 8
    assert shared_prefix([[*begin, 1]]) == 0  # nothing to share it with
    assert shared_prefix([[1, 2, 3], [1, 2, 4]]) == 0  # too little


def test_a_shared_beginning_is_read_once(
    opened: Callable[[str], Form], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("merged", "onnx"):
        form, read = opened(name), []
        reads = form._read_prefix
        monkeypatch.setattr(
            form,
            "_read_prefix",
            lambda ids, *more, r=reads, to=read: to.append(ids) or r(ids, *more),
        )
        prompts = prompts_of(form)
        assert len(list(form.score(prompts, [[[7, 9]]] * len(prompts)))) == len(prompts)
        assert read == [prompts[0][: shared_prefix(prompts)]]
        assert len(read[0]) > 8


def test_scores_behind_a_shared_beginning_are_those_of_each_alone(form: Form) -> None:
    prompts = prompts_of(form)
    continuations = [[[7], [9, 11, 13], [5, 6]]] * len(prompts)
    for row, logits in form.score(prompts, continuations):
        for ids, mine in zip(continuations[row], logits, strict=True):
            ((_, (alone,)),) = form.score([prompts[row]], [[ids]])
            assert abs(mine - alone).max() < 1e-4


def test_answers_behind_a_shared_beginning_are_those_of_each_alone(form: Form) -> None:
    """Also where something is known of them: each row's start has another length."""
    prompts = prompts_of(form)
    expected = [list(form.sample(ids, 12)) for ids in prompts]
    for reading in form.read(prompts, 12):
        list(reading.score([(row, [7, 8, 9]) for row in reading.rows]))  # which leaves no trace
        starts = [(row, expected[row][: row % 3]) for row in reading.rows]
        assert reading.answer(starts, 12) == [expected[row] for row in reading.rows]
        last = reading.rows[-1]
        assert reading.answer([(last, [])], 4) == [expected[last][:4]]


def test_an_answer_ends_before_the_stop_id_and_its_neighbours_go_on(
    form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = prompts_of(form)
    whole = [list(form.sample(ids, 10)) for ids in prompts]
    stop = whole[0][4]
    monkeypatch.setattr(form, "_stop", frozenset({stop}))
    cut = [ids[: ids.index(stop)] if stop in ids else ids for ids in whole]
    assert len(set(map(len, cut))) > 1
    for reading in form.read(prompts, 10):
        starts = [(row, []) for row in reading.rows]
        assert reading.answer(starts, 10) == [cut[row] for row in reading.rows]


def test_a_prompt_with_the_padding_id_is_answered_alone(opened: Callable[[str], Form]) -> None:
    form = opened("onnx")
    prompts = prompts_of(form)
    prompts[1][-3] = form._pad  # type: ignore[attr-defined]
    assert form.generate(prompts, 6) == [list(form.sample(ids, 6)) for ids in prompts]


@pytest.fixture(params=SHAPES)
def shaped(request: pytest.FixtureRequest, tmp_path: Path) -> TorchForm:
    make_base(tmp_path / "base", **SHAPES[request.param])
    (tmp_path / "base" / "prompt.json").write_text(json.dumps(prompt([323, 326])))
    return open_form("base", tmp_path / "base", prompt=Prompt.load(tmp_path / "base"))  # type: ignore[return-value]


def test_windows_grouped_queries_and_longrope_give_the_models_own_logits(shaped: TorchForm) -> None:
    """One row after the other through transformers, whole, without batch, cache or padding."""
    import torch

    prompts = prompts_of(shaped)
    assert min(map(len, prompts)) < 48 < max(map(len, prompts))
    continuations = [[[7, 8, 9], [11]]] * len(prompts)
    for row, logits in shaped.score(prompts, continuations):
        for ids, mine in zip(continuations[row], logits, strict=True):
            whole = torch.tensor([prompts[row] + ids])
            with torch.inference_mode():
                own = shaped._model(whole).logits[0, len(prompts[row]) - 1 : -1]
            crosses = len(prompts[row]) <= 48 < len(prompts[row]) + len(ids)
            assert crosses or abs(mine - own.numpy()).max() < 1e-3


def test_windows_grouped_queries_and_longrope_give_the_answers_of_each_alone(
    shaped: TorchForm,
) -> None:
    prompts = prompts_of(shaped)
    expected = [list(shaped.sample(ids, 8)) for ids in prompts]
    for reading in shaped.read(prompts, 8):
        starts = [(row, []) for row in reading.rows]
        assert reading.answer(starts, 8) == [expected[row] for row in reading.rows]
