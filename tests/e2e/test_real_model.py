"""A real instruct model, SmolLM2-135M: what it knows survives every form, and it learns.

`tiny` shows that the pipeline is whole; this shows that it is good.
"""

from __future__ import annotations

import json
import re
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import command

FORMS = ("base", "adapter", "merged", "onnx")
MODELS = ("phi3", "dithered")
# What the model knows for sure: question -> a pattern in the answer of every form.
QUESTIONS = {
    "What is the capital of France?": "Paris",
    "What is the capital of China?": "Beijing",
    "What is the capital of Poland?": "Warsaw",
    "What is the capital of Cuba?": "Havana",
    "What is the chemical symbol for gold?": r"\bAu\b",
    "What is the chemical symbol for iron?": r"\bFe\b",
    "Who developed the theory of relativity?": "Einstein",
    "What is the opposite of up?": r"\bdown\b",
    "What is the boiling point of water in degrees Celsius?": r"\b100\b",
    "What color is the sky on a clear day?": "blue",
}


def change(project: Path, training: dict[str, Any], settings: dict[str, Any]) -> None:
    """Set training arguments, and keys of project.yaml. MLflow is off."""
    path = project / "fine-tuning" / "olive-config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["passes"]["finetune"]["training_args"].update(training)
    path.write_text(json.dumps(config), encoding="utf-8")
    path = project / "project.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(content | settings | {"tracking": False}), encoding="utf-8")


@pytest.fixture(scope="module", params=MODELS)
def untrained(
    request: pytest.FixtureRequest, smollm2: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A project whose forms are those of a model that has learned nothing."""
    folder = tmp_path_factory.mktemp(request.param)
    model = str(smollm2 / request.param)
    command("new", "proj", "--model", model, "--task", "qa", "--defaults", "--no-git", cwd=folder)
    change(folder / "proj", {"max_steps": 1, "learning_rate": 0.0}, {})
    command("export", cwd=folder / "proj")
    return folder / "proj"


def answers(project: Path, form: str) -> list[str]:
    """What the form answers to the questions, in 24 tokens."""
    words = ("infer", *QUESTIONS, "--form", form, "--max-tokens", "24", "--json")
    done = command(*words, cwd=project)
    return [json.loads(line)["answer"] for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def answered(untrained: Path) -> dict[str, list[str]]:
    return {form: answers(untrained, form) for form in FORMS}


def test_every_form_knows_what_the_model_knows(answered: dict[str, list[str]]) -> None:
    wrong = {
        (form, question): answer
        for form, found in answered.items()
        for (question, expected), answer in zip(QUESTIONS.items(), found, strict=True)
        if not re.search(expected, answer)
    }
    assert wrong == {}


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
