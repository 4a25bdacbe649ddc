"""The chosen model fits into this machine's memory.

Training a model, merging or quantizing it holds all of its weights: a Phi-3-mini of the real size
took 8.9 GiB to train, 8 to merge and 10.7 to quantize, 13 with kquant and 15 with gptq (README,
"Measured" and "Recipes"); other sizes are reckoned from that. A process that takes more than there
is is killed by the system, without a message.

To mend it: close other programs, give the container or WSL more (`docker run --memory`,
`.wslconfig`), choose a smaller model, or let Azure do it (`--target aml`).
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.checks.doctor_context import Scene
from phi3scaffold.checks.resource_estimates import Need, memory_need, weights_of
from phi3scaffold.checks.verdict import Verdict
from phi3scaffold.pipeline import machine
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.formatting import binary_size

ID = "D10-memory"


def check(scene: Scene) -> Iterator[Verdict]:
    total, available, swap = machine.memory()
    here = f"{binary_size(total)} in all, {binary_size(available)} free"
    weights = weights_of(scene.model, scene.project)
    if weights is None:
        told = f"{here}; how much {scene.model} takes is not known before it is fetched"
        yield Verdict(ID, "note", told)
        return
    need = _need(scene, weights)
    told = f"{need.stage.capitalize()} {scene.model} takes about {binary_size(need.bytes)}: {here}"
    smaller = "a smaller model (phi3scaffold models), or --target aml"
    if scene.project is None:
        fits = need.bytes <= total
        yield Verdict(ID, "ok" if fits else "note", told, fix=None if fits else smaller)
    elif need.bytes > total + swap:
        yield Verdict(ID, "error", told, fix=f"more memory; {smaller}")
    elif need.bytes > total:
        told += f", {binary_size(swap)} of swap"
        yield Verdict(ID, "warning", f"{told}; swapping is slow", fix=f"more memory; {smaller}")
    elif need.bytes > available:
        yield Verdict(ID, "warning", told, fix="close other programs, or stop other containers")
    else:
        yield Verdict(ID, "ok", told)


def _need(scene: Scene, weights: int) -> Need:
    from phi3scaffold.project.olive_config import load_config

    quantizer = "rtn"
    if scene.project is not None:
        try:
            quantizer = load_config(scene.project.olive_config).quantizer or "rtn"
        except ScaffoldError:  # lint looks at that file
            quantizer = "rtn"
    bfloat16 = True if scene.target == "cuda" else machine.has_bfloat16()
    return memory_need(weights, bfloat16=bfloat16, quantizer=quantizer, builds=not scene.remote)
