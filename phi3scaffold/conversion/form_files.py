"""What every form's folder carries beside its weights: tokenizer, template, prompt, stop ids."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from phi3scaffold.models.prompt import Prompt
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.settings import Project

GENAI_CONFIG = "genai_config.json"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)


def copy_tokenizer(source: Path, target: Path) -> None:
    """Every form carries its tokenizer and chat template, byte for byte the base model's."""
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


def project_prompt(project: Project) -> Prompt:
    """The prompt that a project trains with, from its dataset.yaml and its base's tokenizer."""
    from phi3scaffold.datasets.rendering import load_tokenizer, stop_ids
    from phi3scaffold.datasets.spec import load_spec
    from phi3scaffold.models.base_model import Base
    from phi3scaffold.models.templates import columns_of

    spec = load_spec(project.dataset_yaml)
    user = "{message}" if spec.messages else spec.user
    tokenizer = load_tokenizer(project.base)
    longest = max((len(tokenizer.encode(label)) for label in spec.labels), default=127)
    return Prompt(
        task=spec.task,
        user=user,
        columns=columns_of(user),
        stop=tuple(stop_ids(tokenizer, project.base)),
        system=spec.system,
        labels=spec.labels,
        max_new_tokens=longest + 1,
        demonstration=project.is_demonstration,
        model=Base.of(project).name,
    )


def set_stop_ids(generation_config: Path, stop: tuple[int, ...]) -> None:
    """Generation stops at the end of the turn too; the hub's files often know only end of text."""
    content: dict[str, Any] = {}
    if generation_config.is_file():
        content = json.loads(generation_config.read_text(encoding="utf-8"))
    content["eos_token_id"] = list(stop)
    generation_config.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def set_genai_stop_ids(genai_config: Path, stop: tuple[int, ...]) -> None:
    """The same for ONNX Runtime GenAI, where the weights' own generation_config does not say it."""
    settings = json.loads(genai_config.read_text(encoding="utf-8"))
    settings["model"]["eos_token_id"] = list(stop)
    genai_config.write_text(json.dumps(settings, indent=4) + "\n", encoding="utf-8")


def check_stop_ids(genai_config: Path, stop: tuple[int, ...]) -> None:
    """An ONNX model that does not know the end of the turn would talk on forever.

    Raises:
        ScaffoldError: it does not (exit code 1).
    """
    found = json.loads(genai_config.read_text(encoding="utf-8"))["model"]["eos_token_id"]
    found = found if isinstance(found, list) else [found]
    if not set(stop) <= set(found):
        raise ScaffoldError(
            f"The ONNX model stops at {found}, the trained one at {list(stop)}.",
            where=genai_config,
            exit_code=FAILED_RUN,
        )


def size_of(folder: Path) -> int:
    """Bytes of all files below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
