"""Files of every form's folder beside its weights: tokenizer, template, prompt, stop ids."""

from __future__ import annotations

import shutil
from pathlib import Path

from phi3scaffold.models.prompt import WHOLE, Prompt
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.files import read_json, write_json
from phi3scaffold.project.settings import Project

GENAI_CONFIG = "genai_config.json"
GRAPH = "model.onnx"  # its weights lie in the data file beside it
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
    """Copy the base model's tokenizer and chat template, byte for byte."""
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


def project_prompt(project: Project) -> Prompt:
    """Return the prompt that a project trains with, of its dataset.yaml and base tokenizer."""
    from phi3scaffold.datasets.conversations import system_columns
    from phi3scaffold.datasets.spec import load_spec
    from phi3scaffold.models.base_model import Base
    from phi3scaffold.models.chat_template import load_tokenizer, stop_ids
    from phi3scaffold.models.column_templates import columns_of

    spec = load_spec(project.dataset_yaml)
    user = WHOLE if spec.messages else spec.user
    tokenizer = load_tokenizer(project.base)
    longest = max((len(tokenizer.encode(label)) for label in spec.labels), default=127)
    return Prompt(
        task=spec.task,
        user=user,
        columns=tuple(dict.fromkeys((*columns_of(user), *system_columns(spec.system)))),
        stop=tuple(stop_ids(tokenizer, project.base)),
        system=spec.system,
        labels=spec.labels,
        max_new_tokens=longest + 1,
        demonstration=project.is_demonstration,
        model=Base.of(project).name,
    )


def set_stop_ids(generation_config: Path, stop: tuple[int, ...]) -> None:
    """Let generation stop at the end of the turn, too: the hub's files often lack it."""
    content = read_json(generation_config) if generation_config.is_file() else {}
    content["eos_token_id"] = list(stop)
    write_json(generation_config, content, indent=2)


def set_genai_stop_ids(genai_config: Path, stop: tuple[int, ...]) -> None:
    """Set the stop ids of ONNX Runtime GenAI, where generation_config.json lacks them."""
    settings = read_json(genai_config)
    settings["model"]["eos_token_id"] = list(stop)
    write_json(genai_config, settings, indent=4)


def check_stop_ids(genai_config: Path, stop: tuple[int, ...]) -> None:
    """Refuse an ONNX model (exit code 1) without the end of the turn: answers would not end."""
    ids = read_json(genai_config)["model"]["eos_token_id"]
    ids = ids if isinstance(ids, list) else [ids]
    if not set(stop) <= set(ids):
        raise ScaffoldError(
            f"The ONNX model stops at {ids}, the trained one at {list(stop)}.",
            where=genai_config,
            exit_code=FAILED_RUN,
        )


def size_of(folder: Path) -> int:
    """Return the bytes of all files below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
