"""What training.py trains on: a generated project, its rows as tokens, and the same rows as text.

Made once, in a process of its own, so that nothing of it weighs on a measured one:

    python tests/benchmarks/training_cases.py SETTING FOLDER
"""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from pathlib import Path

LARGER = {  # 134 million parameters, Phi-3's shape and vocabulary
    "hidden_size": 768,
    "intermediate_size": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_key_value_heads": 12,
    "vocab_size": 32064,
    "max_position_embeddings": 4096,
    "original_max_position_embeddings": 4096,
    "sliding_window": 2047,
    "tie_word_embeddings": False,
}
LARGER_ROWS = 64
WORDS = ("the", "was", "and", "we", "walked", "down", "to", "river", "before", "with", "him")
TURNS = "<|user|>\n{user}<|end|>\n<|assistant|>\n{answer}<|end|>"


def make(setting: str, folder: Path) -> None:
    """Write project, rows.json and case.json into `folder`."""
    folder.mkdir(parents=True)
    project = folder / "project"
    words = ["new", str(project), "--algo", "lora", "--target", "cpu", "--defaults", "--no-git"]
    if setting == "tiny":
        run(*words, "--model", "tiny", "--task", "classify")
        user, answer = "{phrase}\nTone:", "{tone}"
    else:
        random_phi3(folder / "model")
        varied_rows(folder / "rows.jsonl", LARGER_ROWS)
        data = ("--data", str(folder / "rows.jsonl"), "--task", "qa")
        run(*words, "--model", str(folder / "model"), *data)
        train_on_all(project)
        user, answer = "{question}", "{answer}"
    run("data", cwd=project)
    run("model", cwd=project)
    rows = rendered(project)
    (folder / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
    template = TURNS.format(user=user, answer=answer)
    text = project / "datasets" / ("train.jsonl" if setting == "tiny" else "rows.jsonl")
    base = project / "model-cache/base"
    case = {
        "project": str(project),
        "rows": str(folder / "rows.json"),
        "text": str(text),
        "text_template": template,
        "whole_cookbook": setting == "tiny",
        "joined_share": joined_share(base, text, template, rows["train"]),
    }
    (folder / "case.json").write_text(json.dumps(case), encoding="utf-8")


def run(*words: str, cwd: Path | None = None) -> None:
    """One phi3scaffold command line. Raises CalledProcessError where it fails."""
    command = [sys.executable, "-m", "phi3scaffold", *words]
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL)


def rendered(project: Path) -> dict[str, list[tuple[list[int], list[int]]]]:
    """Both splits as (token ids, labels), through the very data configs that Olive trains on."""
    import contextlib

    from phi3scaffold.project.olive_config import load_config
    from phi3scaffold.training.olive_runner import load_run_config

    config = load_config(project / "fine-tuning" / "olive-config.json")
    found: dict[str, list[tuple[list[int], list[int]]]] = {}
    with contextlib.chdir(project):
        for data in load_run_config(config, project).data_configs:
            container = data.to_data_container()
            samples = container.pre_process(container.load_dataset())
            found[data.name] = [
                (inputs["input_ids"].tolist(), labels.tolist()) for inputs, labels in samples
            ]
    return found


def joined_share(
    base: Path, text: Path, template: str, rows: list[tuple[list[int], list[int]]]
) -> float:
    """Of the tokens that Olive's `join` makes of the rows, the share that belongs to the rows.

    Also asserts that stock Olive's text, without its own special tokens, is our rows' tokens.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)

    def encode(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False)

    values = [json.loads(line) for line in text.read_text(encoding="utf-8").splitlines()]
    texts = [template.format(**row) for row in values]
    assert sorted(map(encode, texts)) == sorted(ids for ids, _ in rows), "other tokens than ours"
    # what Olive joins: "{bos} {text} {eos}", and an empty line between rows
    between = encode("\n\n")
    bos, eos = tokenizer.bos_token, tokenizer.eos_token
    joined = sum(len(encode(f"{bos} {text} {eos}")) + len(between) for text in texts)
    return sum(len(ids) for ids, _ in rows) / joined


def random_phi3(folder: Path) -> None:
    """A Phi-3 with random weights in bfloat16 and `tiny`'s tokenizer, whose ids all fit."""
    import shutil

    import torch
    from transformers import Phi3Config, Phi3ForCausalLM

    from phi3scaffold.models.catalogue import tiny_folder

    folder.mkdir()
    for file in tiny_folder().iterdir():
        if file.name not in ("config.json", "model.safetensors"):
            shutil.copy(file, folder)
    ids = json.loads((tiny_folder() / "config.json").read_text())
    special = {key: ids[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    torch.manual_seed(0)
    model = Phi3ForCausalLM(Phi3Config(**LARGER, **special)).to(torch.bfloat16)
    model.save_pretrained(folder)
    (folder / "generation_config.json").write_text(
        (tiny_folder() / "generation_config.json").read_text()
    )


def varied_rows(path: Path, count: int, seed: int = 0) -> None:
    """Rows of about 30 to 500 tokens, log-normal around 120, 70 % of each the question."""
    from transformers import AutoTokenizer

    from phi3scaffold.models.catalogue import tiny_folder

    tokenizer = AutoTokenizer.from_pretrained(tiny_folder(), local_files_only=True)
    filler = tokenizer.encode("the the the")
    words = [word for word in WORDS if len(tokenizer.encode(f"the {word} the")) == len(filler)]
    chance = random.Random(seed)
    with path.open("w", encoding="utf-8", newline="\n") as lines:
        for _ in range(count):
            length = round(min(500, max(30, math.exp(chance.gauss(math.log(120), 0.7)))))
            text = [chance.choice(words) for _ in range(length - 8)]  # 8: the turns' own tokens
            cut = round(0.7 * len(text))
            row = {"question": " ".join(text[:cut]), "answer": " ".join(text[cut:])}
            lines.write(json.dumps(row) + "\n")


def train_on_all(project: Path) -> None:
    """No row of the file is kept back; what is held out stands in a file of its own."""
    import yaml

    path = project / "datasets" / "dataset.yaml"
    spec = yaml.safe_load(path.read_text(encoding="utf-8"))
    varied_rows(path.parent / "apart.jsonl", 4, seed=1)
    spec["files"]["held_out"] = ["apart.jsonl"]
    path.write_text(yaml.safe_dump(spec), encoding="utf-8")


def main(setting: str, folder: str) -> None:
    from phi3scaffold.pipeline import environment

    environment.prepare()
    make(setting, Path(folder).resolve())


if __name__ == "__main__":
    main(*sys.argv[1:])
