"""The chosen model fits into this machine's memory.

Training a model, merging or quantizing it holds all of its weights: a Phi-3-mini of the real size
took 8.9 GiB to train, 8 to merge and 10.7 to quantize, 13 with kquant and 15 with gptq (README,
"Measured" and "Recipes"); other sizes are reckoned from that. A process that takes more than there
is is killed by the system, without a message.

To fix it: close other programs, give the container or WSL more (`docker run --memory`,
`.wslconfig`), choose a smaller model, or choose a target in the cloud.
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.checks.resource_estimates import Need, memory_need, weights_of
from phi3scaffold.pipeline import machine
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.findings import Finding
from phi3scaffold.project.formatting import binary_size
from phi3scaffold.targets.doctor_context import DoctorContext
from phi3scaffold.targets.registry import remote_names

ID = "D10-memory"


def check(context: DoctorContext) -> Iterator[Finding]:
    total, available, swap = machine.memory()
    here = f"{binary_size(total)} in all, {binary_size(available)} free"
    weights = weights_of(context.model, context.project)
    if weights is None:
        told = f"{here}; how much {context.model} takes is not known before it is fetched"
        yield Finding(ID, "note", told)
        return
    need = _need(context, weights)
    told = (
        f"{need.stage.capitalize()} {context.model} takes about {binary_size(need.bytes)}: {here}"
    )
    smaller = f"a smaller model (phi3scaffold models), or --target {remote_names()[0]}"
    if context.project is None:
        fits = need.bytes <= total
        yield Finding(ID, "ok" if fits else "note", told, fix=None if fits else smaller)
    elif need.bytes > total + swap:
        yield Finding(ID, "error", told, fix=f"more memory; {smaller}")
    elif need.bytes > total:
        told += f", {binary_size(swap)} of swap"
        yield Finding(ID, "warning", f"{told}; swapping is slow", fix=f"more memory; {smaller}")
    elif need.bytes > available:
        yield Finding(ID, "warning", told, fix="close other programs, or stop other containers")
    else:
        yield Finding(ID, "ok", told)


def _need(context: DoctorContext, weights: int) -> Need:
    from phi3scaffold.project.olive_config import load_config

    quantizer = "rtn"
    if context.project is not None:
        try:
            quantizer = load_config(context.project.olive_config).quantizer or "rtn"
        except ScaffoldError:  # lint looks at that file
            quantizer = "rtn"
    bfloat16 = True if context.trains_on_gpu else machine.has_bfloat16()
    return memory_need(weights, bfloat16=bfloat16, quantizer=quantizer, builds=not context.remote)
