"""Which quantizer: what each loses on a real model, over plain text.

    python tests/benchmarks/quantization_real.py FOLDER [--only NAME ...]

The model is SmolLM2-135M-Instruct (tests/support/smollm2.py), its weights dithered by half a Q4_1
step (uniform, seeded): as they come, they lie on the grid of one quantizer. Nothing is trained.

Every quantizer of quantization.py is built, and its next-token distributions are held against those
of the weights themselves in float32, at each of 24 times 96 positions of the documentation's prose:
the Kullback-Leibler divergence, how often the most probable token is the same, and the size. The
intervals are of 2,000 bootstrap samples of the passages, 95 %; those of the difference from the
first quantizer are paired. Speeds are tokens for each second of processor time, with one thread.

FOLDER keeps a JSON file a quantizer; one that is there is not built again. The table goes to
FOLDER/table.md.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from quantization import QUANTIZERS, alone, bytes_of, convert

from phi3scaffold.pipeline.environment import prepare
from phi3scaffold.project.settings import Project, load_project
from tests.support import smollm2

PASSAGES, LENGTH, DECODED = 24, 96, 48
REPOSITORY = Path(__file__).resolve().parents[2]


def make_project(folder: Path) -> dict[str, Any]:
    """Write a project over the dithered model, with rows for the quantizers that look at some."""
    from phi3scaffold.generator import new
    from phi3scaffold.pipeline.runner import run_stages
    from phi3scaffold.stages.graph import STAGES

    root = folder / "project"
    if not (root / "gen-model" / "data" / "manifest.json").is_file():
        shutil.rmtree(root, ignore_errors=True)
        base = folder / "smollm2"
        if not base.is_dir():
            smollm2.make(base, "phi3", dither=True)
        new(root, {"model": str(base), "task": "classify"}, git=False, wheel=False)
        project = load_project(root)
        run_stages(
            project, ["tokenizer", "data", "model"], STAGES, lambda event: None, isolate=False
        )
    return {}


def passages(base: Path) -> Any:
    """Token ids [PASSAGES, LENGTH] of prose, spread over the documentation."""
    from transformers import AutoTokenizer

    pages = sorted(
        page for page in (REPOSITORY / "docs").rglob("*.md") if page.parts[-2] != "reference"
    )
    text = "\n\n".join(page.read_text(encoding="utf-8") for page in pages)
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    text = re.sub(r"^\|.*$|[#`*\[\]]", "", text, flags=re.MULTILINE)
    tokens = AutoTokenizer.from_pretrained(base)(text)["input_ids"]
    step = len(tokens) // PASSAGES
    return np.array([tokens[begin * step : begin * step + LENGTH] for begin in range(PASSAGES)])


def write_reference(base: Path, path: Path) -> dict[str, Any]:
    """Write the passages, and the logits [passage, position, token] of the weights."""
    import torch
    from transformers import AutoModelForCausalLM

    if not path.is_file():
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
        ids = passages(base)
        with torch.inference_mode():
            found = [model(torch.from_numpy(row)[None]).logits[0].numpy() for row in ids]
        np.savez(path, ids=ids, logits=np.stack(found).astype(np.float16))
    return {}


def log_softmax(logits: Any) -> Any:
    shifted = logits.astype(np.float32) - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def measure(out: Path, reference: Path) -> dict[str, Any]:
    """Each passage's mean divergence and agreement; speeds by the processor's time."""
    import onnxruntime_genai as og

    config = og.Config(str(out))
    one = {"model": {"decoder": {"session_options": {"intra_op_num_threads": 1}}}}
    config.overlay(json.dumps(one))
    model = og.Model(config)
    divergence, agreement, prefill, decode = [], [], [], []
    content = np.load(reference)
    for row, logits in zip(content["ids"], content["logits"], strict=True):
        params = og.GeneratorParams(model)
        params.set_search_options(max_length=LENGTH + DECODED, min_length=LENGTH + DECODED)
        generator = og.Generator(model, params)
        began = time.process_time()
        generator.append_tokens(row[None].astype(np.int32))
        prefill.append(LENGTH / (time.process_time() - began))
        own, theirs = log_softmax(generator.get_output("logits")[0]), log_softmax(logits)
        divergence.append(float((np.exp(theirs) * (theirs - own)).sum(-1).mean()))
        agreement.append(float((theirs.argmax(-1) == own.argmax(-1)).mean()))
        if len(decode) < 5:
            began = time.process_time()
            for _ in range(DECODED):
                generator.generate_next_token()
            decode.append(DECODED / (time.process_time() - began))
    return {
        "kl": divergence,
        "agreement": agreement,
        "prefill": float(np.median(prefill)),
        "decode": float(np.median(decode)),
    }


def interval(values: Any) -> tuple[float, float, float]:
    """Mean, and the ends of its interval."""
    values = np.asarray(values)
    chosen = np.random.default_rng(0).integers(0, len(values), (2000, len(values)))
    low, high = np.quantile(values[chosen].mean(1), (0.025, 0.975))
    return float(values.mean()), float(low), float(high)


def write_table(results: Path, out: Path) -> None:
    """A row a quantizer, the closest first."""
    names = {slug(name): name for name in QUANTIZERS}
    cells = {names[path.stem]: json.loads(path.read_text()) for path in results.glob("*.json")}
    first = next(name for name in QUANTIZERS if name in cells)
    lines = [
        "| | KL, 10^-3 nats | from the first | agreement % | MB | prefill | decode | build s |",
        "|---" * 8 + "|",
    ]
    run = {name: cell for name, cell in cells.items() if "error" not in cell}
    for name in sorted(run, key=lambda name: sum(run[name]["kl"])):
        cell = run[name]
        parts = [
            "{:.0f} ({:.0f}..{:.0f})".format(*(1000 * one for one in interval(cell["kl"]))),
            "{:+.1f} ({:+.1f}..{:+.1f})".format(
                *(1000 * one for one in interval(np.subtract(cell["kl"], run[first]["kl"])))
            )
            if name != first
            else "",
            f"{100 * np.mean(cell['agreement']):.1f}",
            f"{cell['bytes'] / 1e6:.1f}",
            f"{cell['prefill']:.0f}",
            f"{cell['decode']:.0f}",
            f"{cell['build_seconds']:.0f}",
        ]
        lines.append(f"| {name} | {' | '.join(parts)} |")
    for name, cell in cells.items():
        if "error" in cell:
            lines.append(f"| {name} | does not run: {cell['error']} | | | | | | |")
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", default=list(QUANTIZERS), choices=QUANTIZERS)
    options = parser.parse_args()
    prepare()
    import olive.passes.onnx.model_builder
    import olive.passes.pytorch.quant_utils  # noqa: F401 (imported before the forks)

    folder = options.folder.resolve()
    results, reference = folder / "results", folder / "reference.npz"
    results.mkdir(parents=True, exist_ok=True)
    for work, arguments in (
        (make_project, (folder,)),
        (write_reference, (folder / "smollm2", reference)),
    ):
        error = alone(work, *arguments).get("error")
        if error:
            raise SystemExit(error)
    project = load_project(folder / "project")
    for name in options.only:
        path, out = results / f"{slug(name)}.json", folder / "built" / "onnx"
        if path.is_file():
            continue
        shutil.rmtree(out.parent, ignore_errors=True)
        made = alone(build, project, QUANTIZERS[name], out)
        if "error" not in made:
            made = alone(measure, out, reference) | made
        path.write_text(json.dumps(made))
        print(name, made.get("error") or np.mean(made["kl"]), flush=True)
        write_table(results, folder / "table.md")
    shutil.rmtree(folder / "built", ignore_errors=True)
    print((folder / "table.md").read_text())


def build(project: Project, passes: list[dict[str, Any]], out: Path) -> dict[str, Any]:
    """Quantize and convert; the bytes of what was made."""
    convert(project, passes, project.base, out)
    return {"bytes": bytes_of(out)}


def slug(name: str) -> str:
    return re.sub(r"\W+", "-", name)


if __name__ == "__main__":
    main()
