"""Which quantizer, which merge: what each loses and costs, on `tiny` and on a larger model.

    python tests/benchmarks/larger_model.py --out LARGER          # once, about 40 minutes
    python tests/benchmarks/quantization.py FOLDER --larger LARGER [--seeds 1 2 3] [--rows 220]

FOLDER keeps a project for each model, algorithm and seed, and in results/ a JSON file a cell: a
run that was stopped goes on where it was, and a cell whose file is deleted is measured again. The
tables go to FOLDER/table.md; what was measured and chosen is in quantization.md. Two questions:

- LoRA, merged, then every quantizer of `QUANTIZERS`;
- QLoRA in three ways: merged into the NF4 base that it was trained over (dequantized), merged into
  the original weights, and kept in float beside an int4 base (the form onnx-adapter).

Every cell is built in a process of its own (forked from one that has only imported torch and Olive,
so that these are in its peak memory and not in its seconds) and measured in another one by
`phi3scaffold.evaluation`, as `phi3scaffold evaluate` does: greedy answers of ONNX Runtime
GenAI on held-out rows, perplexity of the right answers, and the Kullback-Leibler divergence from
the trained adapter over the base that it was trained on (for QLoRA that is the NF4 base).

The seed is the fine-tuning's. Medians, with the least and the most. Accuracy of 220 rows is known
to about two points; the KL divergence is what tells the quantizers apart.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from quantization_table import write_table

from phi3scaffold.pipeline.environment import prepare
from phi3scaffold.project.settings import Project, load_project
from phi3scaffold.search.points import CALIBRATION

EIGHT = {"bits": 8, "group_size": 64}
BUILD = {
    "type": "ModelBuilder",
    "precision": "int4",
    "int4_accuracy_level": 4,
    "extra_options": {"hf_remote": False},
}


def olive(
    kind: str, block: int, head: Any = EIGHT, embeddings: Any = EIGHT, **more: Any
) -> list[dict[str, Any]]:
    """A quantizer of Olive's; `head`, `embeddings`: how these are rounded, where not as the rest.

    Gptq leaves both to an Rtn behind it.
    """
    named = {"lm_head": head, "model.embed_tokens": embeddings}
    ends = {"lm_head": True, "embeds": embeddings is not None}
    ends["overrides"] = {name: one for name, one in named.items() if one}
    settings = {"type": kind, "bits": 4, "group_size": block, "sym": False, **more}
    if kind == "Gptq":
        return [settings | {"data_config": CALIBRATION}, {"type": "Rtn", "sym": False, **ends}]
    return [settings | ends]


def mixed(algorithm: str, **more: Any) -> dict[str, Any]:
    """What gives the sensitive layers 8 bits, the output layer among them."""
    return {"type": "SelectiveMixedPrecision", "algorithm": algorithm, **more}


def builder(algorithm: str, block: int) -> list[dict[str, Any]]:
    """ModelBuilder's own quantization of 16-bit weights."""
    return [BUILD | {"int4_algo_config": algorithm, "int4_block_size": block}]


FOUR = {"bits": 4, "group_size": 32}
#: Name -> the passes behind the merge. Embeddings and output layer in 8 bits, where not said.
QUANTIZERS: dict[str, list[dict[str, Any]]] = {
    "Rtn 32": [*olive("Rtn", 32), BUILD],
    "Rtn 32, embeddings in full": [*olive("Rtn", 32, {"bits": 8}, None), BUILD],
    "Rtn 32, embeddings in 4 bits": [*olive("Rtn", 32, embeddings=FOUR), BUILD],
    "Rtn 32, both in 4 bits": [*olive("Rtn", 32, FOUR, FOUR), BUILD],
    "Rtn 32, symmetric": [*olive("Rtn", 32, sym=True), BUILD],
    "Rtn 64": [*olive("Rtn", 64), BUILD],
    "Rtn 64, symmetric": [*olive("Rtn", 64, sym=True), BUILD],
    "Rtn 128": [*olive("Rtn", 128), BUILD],
    "KQuant 32": [*olive("KQuant", 32), BUILD],
    "KQuant 64": [*olive("KQuant", 64), BUILD],
    "KQuant 128": [*olive("KQuant", 128), BUILD],
    "Gptq 32": [*olive("Gptq", 32), BUILD],
    "Gptq 64": [*olive("Gptq", 64), BUILD],
    "Gptq 128": [*olive("Gptq", 128), BUILD],
    "k_quant_mixed, Rtn 32": [mixed("k_quant_mixed"), *olive("Rtn", 32), BUILD],
    "k_quant_mixed, KQuant 32": [mixed("k_quant_mixed"), *olive("KQuant", 32), BUILD],
    "k_quant_mixed, Gptq 32": [mixed("k_quant_mixed"), *olive("Gptq", 32), BUILD],
    "k_quant_down, KQuant 32": [mixed("k_quant_down"), *olive("KQuant", 32), BUILD],
    "snr 0.8, KQuant 32": [
        mixed("snr", ratio=0.8, group_size=32),
        *olive("KQuant", 32),
        BUILD,
    ],
    "ModelBuilder rtn 32": builder("rtn", 32),
    "ModelBuilder rtn 128": builder("rtn", 128),
    "ModelBuilder rtn_last 32": builder("rtn_last", 32),
    "ModelBuilder k_quant 32": builder("k_quant", 32),
    "ModelBuilder k_quant 128": builder("k_quant", 128),
    "ModelBuilder k_quant_mixed 32": builder("k_quant_mixed", 32),
    "Rtn 32, all in 8 bits": [*olive("Rtn", 32, bits=8), BUILD],
    "fp32": [BUILD | {"precision": "fp32"}],
}
#: Those that the larger model is spared: they differ little from another, or only in size.
TINY_ONLY = (
    "k_quant_down, KQuant 32",
    "snr 0.8, KQuant 32",
    "KQuant 128",
    "ModelBuilder rtn 128",
    "ModelBuilder rtn_last 32",
    "ModelBuilder k_quant_mixed 32",
    "ModelBuilder k_quant 128",
    "Gptq 128",
    "fp32",
)
#: What QLoRA's three ways are measured with.
FOR_QLORA = ("Rtn 32", "Gptq 32", "k_quant_mixed, KQuant 32", "Rtn 32, all in 8 bits")
WAYS = ("nf4", "original", "adapter")
#: What the larger model is trained with; tiny is trained as a new project has it.
LARGER_TRAINING = {
    "num_train_epochs": 1,
    "learning_rate": 1e-3,
    "gradient_checkpointing": False,
}


def make_project(folder: Path, name: str, model: str, algo: str, seed: int) -> Project:
    """A project whose adapter is trained and merged; for QLoRA the merged models in `merged-*`."""
    root = folder / f"{name}-{algo}-{seed}"
    bases = ("original", "nf4") if algo == "qlora" else ("original",)
    if all((root / f"merged-{base}" / "config.json").is_file() for base in bases):
        return load_project(root)
    shutil.rmtree(root, ignore_errors=True)
    answers = ("--algo", algo, "--target", "cpu", "--task", "classify", "--model", model)
    phi3scaffold("new", str(root), *answers, "--no-git", "--defaults", cwd=folder)
    path = root / "fine-tuning" / "olive-config.json"
    content = json.loads(path.read_text())
    training = content["passes"]["finetune"]
    training["training_args"]["seed"] = seed
    if name != "tiny":
        training["training_args"] |= LARGER_TRAINING
        training["lora_dropout"] = 0.0
    path.write_text(json.dumps(content, indent=2))
    settings = root / "project.yaml"
    lines = [line for line in settings.read_text().splitlines() if "merge_base" not in line]
    for base in bases:
        chosen = [f"merge_base: {base}"] if algo == "qlora" else []
        settings.write_text("\n".join([*lines, *chosen]) + "\n")
        phi3scaffold("merge", cwd=root)
        shutil.copytree(root / "gen-model" / "merged", root / f"merged-{base}")
    return load_project(root)


def phi3scaffold(*words: str, cwd: Path) -> None:
    """Run one command line. Raises CalledProcessError where it fails."""
    subprocess.run([sys.executable, "-m", "phi3scaffold", *words], cwd=cwd, check=True)


def alone(work: Any, *arguments: Any) -> dict[str, Any]:
    """Run `work` in a forked process; what it returns, with its seconds and peak memory.

    A failure is a result, too: ``{"error": ...}``.
    """
    from phi3scaffold.pipeline.environment import peak_bytes

    context = multiprocessing.get_context("fork")
    ours, its = context.Pipe(duplex=False)

    def run() -> None:
        began = time.monotonic()
        try:
            made = work(*arguments)
        except BaseException as error:  # noqa: BLE001 (what does not run stands in the table)
            traceback.print_exc()
            made = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        seconds = time.monotonic() - began
        its.send({**made, "build_seconds": seconds, "build_peak_bytes": peak_bytes()})
        os._exit(0)

    process = context.Process(target=run)
    process.start()
    its.close()
    try:
        return ours.recv()
    except EOFError:
        return {"error": "the process was ended from outside"}
    finally:
        process.join()


def build(project: Project, quantizer: str, way: str, out: Path) -> dict[str, Any]:
    """Quantize and convert as the stages export and adapters do; the bytes of what was made."""
    from phi3scaffold.models.prompt import FILE

    source = project.base if way == "adapter" else project.root / f"merged-{way}"
    convert(project, QUANTIZERS[quantizer], source, out)
    shutil.copyfile(project.adapter / FILE, out / FILE)
    if way == "adapter":
        add_adapter(project, out)
    return {"bytes": bytes_of(out)}


def convert(project: Project, passes: list[dict[str, Any]], source: Path, out: Path) -> None:
    """Run passes over a model folder, as the stage export and a search do."""
    from phi3scaffold.conversion.build import convert as convert_model
    from phi3scaffold.project.olive_config import project_config
    from phi3scaffold.search.points import with_passes

    named = {f"pass{number}": one for number, one in enumerate(copy.deepcopy(passes))}
    out.mkdir(parents=True)
    convert_model(project, with_passes(project_config(project), named), source, out, out.parent)


def bytes_of(out: Path) -> int:
    """The graph, its weights and adapters."""
    files = [file for file in out.rglob("*") if file.suffix in (".onnx", ".data", ".onnx_adapter")]
    return sum(file.stat().st_size for file in files)


def add_adapter(project: Project, out: Path) -> None:
    """Inputs for an adapter in the graph, and the project's own as one."""
    from phi3scaffold.conversion.adapter_file import (
        ONNX_ADAPTERS,
        ONNX_WEIGHTS,
        read_lora,
        write_lora,
    )
    from phi3scaffold.conversion.lora_inputs import add_lora_inputs, lora_slots
    from phi3scaffold.models.prompt import Prompt

    prompt, genai = Prompt.load(project.adapter), out / "genai_config.json"
    settings = json.loads(genai.read_text())
    settings["model"]["eos_token_id"] = list(prompt.stop)
    genai.write_text(json.dumps(settings))
    add_lora_inputs(out / "model.onnx")
    slots = lora_slots(out / "model.onnx")
    place = out / ONNX_ADAPTERS / "mine"
    place.mkdir(parents=True)
    write_lora(read_lora(project.adapter, slots), slots, place / ONNX_WEIGHTS)
    prompt.save(place)


def reference(project: Project, asked: Any, log: Path) -> tuple[Any, Any, Any]:
    """The trained adapter over the base that it was trained on: what the others are held to.

    Returns:
        What it did, as `measure` has it; the same to compare others with; its metrics.
    """
    from phi3scaffold.evaluation.form_metrics import compute_metrics
    from phi3scaffold.evaluation.measurement import Candidate, Measurement
    from phi3scaffold.evaluation.subprocess_measurement import measure_in_subprocess

    kept, logits = project.root / "reference.json", project.root / "reference.npy"
    if kept.is_file():
        did = Measurement(**json.loads(kept.read_text()))
    else:
        subject = Candidate("adapter", project.adapter, base=project.base)
        did = measure_in_subprocess(subject, asked, lambda event: None, log, save_logits=logits)
        kept.write_text(json.dumps(vars(did)))
    return did, did.as_reference(logits, asked.end), compute_metrics(did, asked, None)


def measure_cells(folder: Path, name: str, project: Project, rows: int, cells: Any) -> None:
    """Build and measure every (way, quantizer) of a project that has no result yet."""
    from phi3scaffold.datasets.spec import load_spec
    from phi3scaffold.evaluation.evaluation_set import sample_held_out
    from phi3scaffold.evaluation.form_metrics import compute_metrics
    from phi3scaffold.evaluation.measurement import Candidate
    from phi3scaffold.evaluation.subprocess_measurement import measure_in_subprocess

    _, algo, seed = project.root.name.rsplit("-", 2)
    results, log = folder / "results", folder / "log.txt"
    results.mkdir(exist_ok=True)
    asked = sample_held_out(project.rows, load_spec(project.dataset_yaml), rows)
    # answers are compared as they are; the likelihood of every label would take most of the time
    asked = dataclasses.replace(asked, labels=(), label_ids=())
    did, held_to, own = reference(project, asked, log)
    facts = {"model": name, "algo": algo, "seed": int(seed), "rows": len(asked.rows)}
    write_json(results / f"{name}-{algo}-{seed}.json", {**facts, "way": "trained", **vars(own)})
    for way, quantizer in cells:
        slug = "".join(c if c.isalnum() else "_" for c in f"{way} {quantizer}")
        path, out = results / f"{name}-{algo}-{seed}-{slug}.json", project.root / "built" / "onnx"
        if path.is_file():
            continue
        shutil.rmtree(out.parent, ignore_errors=True)
        made = alone(build, project, quantizer, way, out)
        if "error" not in made:
            form = Candidate("onnx-adapter" if way == "adapter" else "onnx", out)
            found = measure_in_subprocess(form, asked, lambda _: None, log, reference=held_to)
            made |= vars(compute_metrics(found, asked, did))
        write_json(path, {**facts, "way": way, "quantizer": quantizer, **made})
        told = [made.get(key) for key in ("error", "exact_match", "kl_divergence", "build_seconds")]
        print(path.stem, *told, flush=True)
    shutil.rmtree(project.root / "built", ignore_errors=True)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1))
    part.replace(path)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--larger", type=Path, help="the larger model; without it, only tiny")
    parser.add_argument("--only", choices=("tiny", "larger"), help="measure only this one now")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--rows", type=int, default=220)
    parser.add_argument("--for-qlora", nargs="+", default=FOR_QLORA, choices=QUANTIZERS)
    options = parser.parse_args()
    prepare()
    import olive.passes.onnx.model_builder
    import olive.passes.pytorch.quant_utils  # noqa: F401 (imported before the forks)

    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    models = {"tiny": "tiny"}
    if options.larger:
        models["larger"] = str(options.larger.resolve())
    if options.only:
        models = {options.only: models[options.only]}
    for seed in options.seeds:
        for name, model in models.items():
            spared = TINY_ONLY if name != "tiny" else ()
            lora = [("original", each) for each in QUANTIZERS if each not in spared]
            qlora = [(way, each) for each in options.for_qlora for way in WAYS]
            for algo, cells in (("lora", lora), ("qlora", qlora)):
                project = make_project(folder, name, model, algo, seed)
                measure_cells(folder, name, project, options.rows, cells)
                write_table(folder / "results", folder / "table.md")
    print((folder / "table.md").read_text())


if __name__ == "__main__":
    main()
