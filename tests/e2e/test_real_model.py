"""A real instruct model, SmolLM2-135M: what it knows survives every form, and it learns.

`tiny` shows that the pipeline is whole; this shows that it is good.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml

from phi3scaffold.generator import template
from phi3scaffold.project.settings import DEMONSTRATION
from tests.conftest import command

FORMS = ("base", "adapter", "merged", "onnx")
MODELS = ("phi3", "llama", "dithered")
# What the model knows for sure: question -> a pattern in the answer of every form.
QUESTIONS = {
    "What is the capital of France?": "Paris",
    "What is the capital of China?": "Beijing",
    "What is the capital of Japan?": "Tokyo",
    "What is the capital of Germany?": "Berlin",
    "What is the capital of Cuba?": "Havana",
    "What is the chemical symbol for gold?": r"\bAu\b",
    "What is the chemical symbol for iron?": r"\bFe\b",
    "Who developed the theory of relativity?": "Einstein",
    "What is the opposite of up?": r"\bdown\b",
    "What is the boiling point of water in degrees Celsius?": r"\b100\b",
}
ROWS = {"train": 200, "held-out": 60}
# Quicker than the defaults, whatever they are: this is in every run of the suite.
TRAINING = {"num_train_epochs": 4, "learning_rate": 1e-3, "per_device_train_batch_size": 8}


def change(project: Path, training: dict[str, Any], settings: dict[str, Any]) -> None:
    """Set training arguments, and keys of project.yaml. MLflow is off."""
    path = project / "fine-tuning" / "olive-config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["passes"]["finetune"]["training_args"].update(training)
    path.write_text(json.dumps(config), encoding="utf-8")
    path = project / "project.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(content | settings | {"tracking": False}), encoding="utf-8")


@pytest.fixture(scope="module")
def answers(
    smollm2: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], dict[str, list[str]]]:
    """Model -> form -> its answers to the questions, in a project that has learned nothing."""

    @cache
    def answered(model: str) -> dict[str, list[str]]:
        folder = tmp_path_factory.mktemp(model)
        words = ("--model", str(smollm2 / model), "--task", "qa", "--defaults", "--no-git")
        command("new", "proj", *words, cwd=folder)
        change(folder / "proj", {"max_steps": 1, "learning_rate": 0.0}, {})
        command("export", cwd=folder / "proj")
        return {form: ask(folder / "proj", form) for form in FORMS}

    return answered


def ask(project: Path, form: str) -> list[str]:
    """The beginnings of what the form answers to the questions."""
    words = ("infer", *QUESTIONS, "--form", form, "--max-tokens", "18", "--json")
    done = command(*words, cwd=project)
    return [json.loads(line)["answer"] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("model", MODELS)
def test_every_form_knows_what_the_model_knows(
    model: str, answers: Callable[[str], dict[str, list[str]]]
) -> None:
    wrong = {
        (form, question): answer
        for form, found in answers(model).items()
        for (question, expected), answer in zip(QUESTIONS.items(), found, strict=True)
        if not re.search(expected, answer)
    }
    assert wrong == {}


def test_both_architectures_answer_alike_in_every_form(
    answers: Callable[[str], dict[str, list[str]]],
) -> None:
    assert answers("phi3") == answers("llama")


def test_both_architectures_are_the_same_model(smollm2: Path) -> None:
    """In float32: the same losses of the same conversations, and the same greedy answers."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    losses, tokens = [], []
    for architecture in ("phi3", "llama"):
        tokenizer = AutoTokenizer.from_pretrained(smollm2 / architecture)
        model = AutoModelForCausalLM.from_pretrained(smollm2 / architecture, dtype=torch.float32)
        for question, answer in islice(QUESTIONS.items(), 4):
            messages = [{"role": "user", "content": question}]
            ids = tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, return_dict=False, return_tensors="pt"
            )
            with torch.inference_mode():
                whole = model.generate(ids, max_new_tokens=12, do_sample=False)
                losses.append(float(model(whole, labels=whole).loss))
            tokens.append(whole[0, ids.shape[1] :].tolist())
            assert answer in tokenizer.decode(tokens[-1])
    assert tokens[:4] == tokens[4:]
    assert losses[:4] == pytest.approx(losses[4:], abs=1e-5)


@pytest.fixture(scope="module")
def trained(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of a few of the sample rows, through the whole pipeline."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "rows").mkdir()
    for part, count in ROWS.items():
        sample = template.folder() / "samples" / "classify" / f"{part}.jsonl"
        lines = sample.read_text(encoding="utf-8").splitlines(keepends=True)[:count]
        (folder / "rows" / f"{part}.jsonl").write_text("".join(lines), encoding="utf-8")
    words = ("--model", str(smollm2 / "phi3"), "--data", "rows", "--defaults", "--no-git")
    command("new", "proj", *words, cwd=folder)
    change(folder / "proj", TRAINING, {"evaluate": {"rows": ROWS["held-out"]}})
    # The verdict of the gate is not looked at: it is about the limits, on few rows.
    done = command("run", cwd=folder / "proj", check=False)
    assert done.returncode in (0, 1), done.stderr
    return folder / "proj"


def read(project: Path, name: str) -> dict[str, Any]:
    return json.loads((project / "gen-model" / name).read_text(encoding="utf-8"))


def test_it_learns_more_than_the_baselines_and_ships_it(trained: Path) -> None:
    metrics = read(trained, "evaluation/metrics.json")
    forms = metrics["forms"]
    low, high = forms["adapter"]["accuracy_interval"]
    assert low > metrics["baselines"]["tfidf"]["accuracy"]
    assert low > forms["base"]["accuracy"]
    assert low <= forms["onnx"]["accuracy"] <= high


def test_its_report_is_that_of_a_real_model(trained: Path) -> None:
    assert not read(trained, "evaluation/metrics.json")["demonstration"]
    page = (trained / "gen-model" / "report" / "index.html").read_text(encoding="utf-8")
    assert DEMONSTRATION not in page
