"""A model's family by its name on the hub, and by its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from phi3scaffold.models import catalogue
from phi3scaffold.models.base_model import base_family
from phi3scaffold.models.families.registry import family_named
from phi3scaffold.project.settings import Project
from tests.support.phi3_files import phi3_files, write


def test_every_entry_s_name_tells_its_family() -> None:
    for entry in catalogue.ENTRIES:
        if entry.hub_id:
            assert family_named(entry.hub_id) is entry.family, entry.hub_id


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("meta-llama/Meta-Llama-3-8B-Instruct", "llama"),
        ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", "llama"),
        ("lmsys/vicuna-7b-v1.5", "llama"),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "llama"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", "qwen2"),
        ("Qwen/Qwen2-7B-Instruct", "qwen2"),
        ("Qwen/Qwen3-8B", "qwen3"),
        ("HuggingFaceH4/zephyr-7b-beta", "mistral"),
        ("microsoft/Phi-4-mini-reasoning", "phi3"),
        ("Qwen/Qwen3-30B-A3B", None),
        ("Qwen/Qwen2.5-VL-3B-Instruct", None),
        ("google/gemma-3-4b-it", None),
        ("google/gemma-2-2b-it", None),
        ("meta-llama/Llama-3.2-11B-Vision-Instruct", None),
        ("meta-llama/Llama-4-Scout-17B-16E", None),
        ("mistralai/Mixtral-8x7B-v0.1", None),
        ("microsoft/phi-2", None),
        ("microsoft/Phi-4-multimodal-instruct", None),
        ("somebody/our-tuned-one", None),
    ],
)
def test_other_names(name: str, family: str | None) -> None:
    found = family_named(name)
    assert (found.name if found else None) == family


def test_files_that_are_here_know_better_than_a_name(tmp_path: Path) -> None:
    project = Project(tmp_path, "someone/Qwen3-of-mine", "main", "cpu", evaluate_rows=1)
    assert base_family(project).name == "qwen3"
    write(project.base, phi3_files(architectures=["MistralForCausalLM"]))
    assert base_family(project).name == "mistral"
