"""The child process that measures this machine: the layers of a model, as training runs them.

A layer of the project's own shape is trained on rows of the project's own lengths by the same code
as in a run, so that products, attention, copies and calls are all in what is measured.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from phi3scaffold.pipeline import protocol
from phi3scaffold.search.calibration import Calibration, Line
from phi3scaffold.training.packing import PASS, pack

SMALL = 20_000_000  # weights of a layer; of smaller ones several are measured
SEVERAL = 4
ONE_PASS = 1.5  # seconds that a measured pass may take
VOCABULARY = 32_768  # of the measured output layer; a larger one takes in proportion longer
LOGITS = 64
WRITTEN = 32 * 2**20  # bytes, to measure the disk
ELEMENTS = 4_000_000  # that are rounded, to measure what is no product
ROUNDING = 0.007  # seconds that two cores of 2024 take for them


class Stopwatch:
    """Times functions until the time is over; what matters most is timed first."""

    def __init__(self, seconds: float, device: Any) -> None:
        self._end, self._device = time.perf_counter() + seconds, device
        self.noise = 0.0

    def best(self, function: Callable[[], object], rounds: int = 4) -> float:
        """Return the fastest of some rounds, after one that warms up."""
        function()
        times: list[float] = []
        used: list[float] = []
        while len(times) < rounds and (not times or time.perf_counter() < self._end):
            self._wait()
            began, before = time.perf_counter(), time.process_time()
            function()
            self._wait()
            times.append(time.perf_counter() - began)
            used.append(time.process_time() - before)
        best = min(times)
        if self._device.type == "cpu":  # where others slow it down, it waits more than it computes
            best = min([best, *(one for one in used if one > 0)])
        if best > 0.02:
            self.noise = max(self.noise, statistics.median(times) / best - 1)
        return best

    def _wait(self) -> None:
        if self._device.type == "cuda":
            import torch

            torch.cuda.synchronize()


def main() -> None:
    """Measure what the parent describes, and send it."""
    outlet = protocol.take_stdout()
    work = protocol.work()
    recipe = json.loads(Path(work["recipe"]).read_text(encoding="utf-8"))
    outlet.send(asdict(measure(recipe, work["seconds"])))
    protocol.leave()


def measure(recipe: dict[str, Any], seconds: float) -> Calibration:
    """Measure in about so many seconds, after the libraries are loaded."""
    # of this process alone: other programs make it wait, and that is counted elsewhere
    began = time.process_time()
    import peft  # noqa: F401
    import torch
    import transformers  # noqa: F401

    start = time.process_time() - began
    on_gpu = recipe["gpu"] and torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    dtype = torch.bfloat16 if recipe["bfloat16"] else torch.float32
    watch = Stopwatch(seconds, device)
    shape = recipe["shape"]
    gflops = _products(watch, shape, dtype, device)
    of_layer = _layer_weights(shape)
    layers = 1 if of_layer >= SMALL else min(SEVERAL, shape["layers"])
    # a pass takes about twice what its products take, forward and backward
    room = ONE_PASS * gflops * 1e9 / 2 / (4 * of_layer * layers)
    times = shape["layers"] / layers
    model = _model(recipe, layers, dtype, device)
    most = max(64, min(PASS, int(room)))
    large, small = (_pass(recipe["rows"], tokens, device) for tokens in (most, most // 4))
    logits = _logits(watch, shape, dtype, device)
    trained = _line(watch, model, large, small, times, logits[0], train=True)
    read = _line(watch, model, large, small, times, logits[1], train=False)
    return Calibration(
        trained=trained,
        read=read,
        step=_step(watch, model) * times,
        start=start,
        gflops=gflops,
        disk=_disk(),
        tokenizer=_tokenizer(recipe["tokenizer"], shape["vocab"]),
        slowness=watch.best(_rounding(), 8) / ROUNDING,
        noise=watch.noise,
    )


def _layer_weights(shape: dict[str, Any]) -> int:
    head = shape["head_size"] or shape["hidden"] // shape["heads"]
    attention = 2 * (shape["heads"] + shape["kv_heads"]) * head
    return int(shape["hidden"] * (attention + 3 * shape["intermediate"]))


def _products(watch: Stopwatch, shape: dict[str, Any], dtype: Any, device: Any) -> float:
    """Return billions of operations a second of a layer's largest product."""
    import torch

    x = torch.full((256, shape["hidden"]), 0.5, dtype=dtype, device=device)
    w = torch.full((2 * shape["intermediate"], shape["hidden"]), 0.5, dtype=dtype, device=device)
    return 2 * x.shape[0] * w.numel() / watch.best(lambda: x @ w.t(), 6) / 1e9


def _model(recipe: dict[str, Any], layers: int, dtype: Any, device: Any) -> Any:
    """Return a model of a few layers with adapters, prepared as for training."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    from phi3scaffold.training import attention
    from phi3scaffold.training.fused_layers import fuse
    from phi3scaffold.training.fused_norms import fuse_norms
    from phi3scaffold.training.fused_rotations import fuse_rotations

    shape = recipe["shape"]
    if recipe["config"]:
        config = AutoConfig.from_pretrained(Path(recipe["config"]).parent)
    else:
        config = AutoConfig.for_model(
            recipe["family"],
            hidden_size=shape["hidden"],
            intermediate_size=shape["intermediate"],
            num_attention_heads=shape["heads"],
            num_key_value_heads=shape["kv_heads"],
            max_position_embeddings=shape["context"],
            **({"head_dim": shape["head_size"]} if shape["head_size"] else {}),
        )
    config.num_hidden_layers, config.vocab_size = layers, LOGITS
    config.pad_token_id = config.bos_token_id = config.eos_token_id = 0
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]
    model = AutoModelForCausalLM.from_config(config, dtype=dtype).to(device)
    if recipe["four_bits"]:
        _to_four_bits(model, dtype)
    modules = "all-linear" if recipe["four_bits"] else recipe["modules"]
    model = get_peft_model(model, LoraConfig(r=recipe["rank"], target_modules=modules))
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()
    model.get_base_model().set_attn_implementation(attention.name_for(device))
    if device.type == "cpu":
        fuse(model)
        fuse_norms(model)
        fuse_rotations(model)
    torch.set_grad_enabled(True)
    return model.train()


def _to_four_bits(model: Any, dtype: Any) -> None:
    """Hold the linear layers in NF4, as QLoRA's base."""
    import bitsandbytes
    import torch

    for name, layer in list(model.named_modules()):
        if not isinstance(layer, torch.nn.Linear) or name == "lm_head":
            continue
        above, _, own = name.rpartition(".")
        rounded = bitsandbytes.nn.Linear4bit(
            layer.in_features,
            layer.out_features,
            bias=layer.bias is not None,
            compute_dtype=dtype,
            quant_type="nf4",
        )
        rounded.weight = bitsandbytes.nn.Params4bit(
            layer.weight.data, requires_grad=False, quant_type="nf4"
        )
        if layer.bias is not None:
            rounded.bias = layer.bias
        setattr(model.get_submodule(above), own, rounded.to(layer.weight.device))


def _pass(rows: list[list[int]], tokens: int, device: Any) -> dict[str, Any]:
    """Return one pass of the project's rows with about so many tokens, of one logit."""
    import torch

    chosen: list[dict[str, Any]] = []
    own = 0
    for row in rows * math.ceil(tokens / max(1, sum(map(len, rows))) + 1):
        # rows are told apart by their last token, and by no more
        ids = [number % LOGITS for number in row[: tokens - own]]
        own += len(ids)
        if len(ids) > 1:
            chosen.append({"input_ids": torch.tensor(ids), "labels": torch.tensor(ids)})
        if own >= tokens:
            break
    batch = pack(chosen, max(tokens, PASS))["passes"][0]
    batch["sources"], batch["targets"] = batch["sources"][:1], batch["targets"][:1]
    return {key: value.to(device) if hasattr(value, "to") else value
            for key, value in batch.items()}  # fmt: skip


def _line(
    watch: Stopwatch,
    model: Any,
    large: dict[str, Any],
    small: dict[str, Any],
    times: float,
    per_logit: float,
    *,
    train: bool,
) -> Line:
    """Return the line through two passes; `times` is the whole model in layers of the measured."""
    import torch

    device = large["input_ids"].device

    def run(one: dict[str, Any]) -> None:
        with (
            torch.set_grad_enabled(train),
            torch.autocast(device.type, torch.bfloat16, enabled=model.dtype == torch.bfloat16),
        ):
            logits = model(
                input_ids=one["input_ids"],
                position_ids=one["position_ids"],
                layout=one["layout"],
                use_cache=False,
                logits_to_keep=one["sources"],
            ).logits
        if train:
            logits.float().sum().backward()

    tokens = [one["input_ids"].numel() for one in (large, small)]
    seconds = [watch.best(lambda one=one: run(one)) for one in (large, small)]  # type: ignore[misc]
    per_token = seconds[0] / tokens[0]
    if tokens[0] > tokens[1]:
        slope = (seconds[0] - seconds[1]) / (tokens[0] - tokens[1])
        per_token = min(max(slope, 0.5 * per_token), per_token)
    per_pass = max(0.0, seconds[0] - per_token * tokens[0])
    return Line(per_pass * times, per_token * times, per_logit)


def _logits(
    watch: Stopwatch, shape: dict[str, Any], dtype: Any, device: Any
) -> tuple[float, float]:
    """Return the seconds of a logit's row of the vocabulary, trained and read."""
    import torch

    vocabulary = min(shape["vocab"], VOCABULARY)
    x = torch.full((LOGITS, shape["hidden"]), 0.1, dtype=dtype, device=device, requires_grad=True)
    w = torch.full((vocabulary, shape["hidden"]), 0.1, dtype=dtype, device=device)
    targets = torch.zeros(LOGITS, dtype=torch.long, device=device)

    def trained() -> None:
        torch.nn.functional.cross_entropy((x @ w.t()).float(), targets).backward()

    def read() -> None:
        with torch.no_grad():
            (x @ w.t()).float().log_softmax(-1)

    scale = shape["vocab"] / vocabulary / LOGITS
    return watch.best(trained, 2) * scale, watch.best(read, 2) * scale


def _step(watch: Stopwatch, model: Any) -> float:
    """Return the seconds of an optimizer step."""
    import torch

    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights)

    def step() -> None:
        for weight in weights:
            weight.grad = torch.zeros_like(weight)
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()

    return watch.best(step)


def _rounding() -> Callable[[], object]:
    import torch

    values = torch.linspace(-1, 1, ELEMENTS)
    return lambda: (values / 0.1).round_().clamp_(-8, 7).mul_(0.1)


def _disk() -> float:
    """Return the bytes a second that reach the disk."""
    content = os.urandom(WRITTEN // 8) * 8
    with tempfile.TemporaryFile() as file:
        began = time.perf_counter()
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        return WRITTEN / max(1e-6, time.perf_counter() - began)


def _tokenizer(path: str | None, vocabulary: int) -> float:
    """Return the tokens a second that the model's tokenizer makes; a usual one's without it."""
    if path is None:
        return 300_000.0
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(path)
    text = tokenizer.decode([1 + number * 7919 % (vocabulary - 1) for number in range(2000)])
    began = time.perf_counter()
    count = sum(len(tokenizer.encode(text).ids) for _ in range(5))
    return count / max(1e-6, time.perf_counter() - began)


if __name__ == "__main__":
    main()
