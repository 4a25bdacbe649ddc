"""The chosen model fits into this machine's memory.

Training, merging and quantizing hold all weights in memory: a Phi-3-mini of full size took 8.9 GiB
to train, 8 to merge and 10.7 to quantize, 13 with kquant and 15 with gptq; other sizes are
estimated from that. The system kills a process that takes more than there is, without a message.

To fix it: close other programs, give the container or WSL more memory (`docker run --memory`,
`.wslconfig`), choose a smaller model, or choose a target in the cloud.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from phi3scaffold.checks.resource_estimates import memory_need, weights_of
from phi3scaffold.pipeline import machine
from phi3scaffold.project.findings import Finding
from phi3scaffold.project.formatting import binary_size
from phi3scaffold.project.settings import DEFAULT_TARGET, Project
from phi3scaffold.targets.doctor_context import DoctorContext
from phi3scaffold.targets.registry import remote_names

ID = "D10-memory"


def check(context: DoctorContext) -> Iterator[Finding]:
    total, available, swap = machine.memory()
    here = f"{binary_size(total)} in all, {binary_size(available)} free"
    weights = weights_of(context.model, context.project)
    if weights is None:
        message = f"{here}; how much {context.model} takes is not known before it is fetched"
        yield Finding(ID, "note", message)
        return
    need = memory_need(_project(context), weights)
    message = f"{context.model} takes about {binary_size(need.bytes)} for {need.title}: {here}"
    smaller = f"a smaller model (phi3scaffold models), or --target {remote_names()[0]}"
    if context.project is None:
        fits = need.bytes <= total
        yield Finding(ID, "ok" if fits else "note", message, fix=None if fits else smaller)
    elif need.bytes > total + swap:
        yield Finding(ID, "error", message, fix=f"more memory; {smaller}")
    elif need.bytes > total:
        message += f", {binary_size(swap)} of swap"
        yield Finding(ID, "warning", f"{message}; swapping is slow", fix=f"more memory; {smaller}")
    elif need.bytes > available:
        yield Finding(ID, "warning", message, fix="close other programs, or stop other containers")
    else:
        yield Finding(ID, "ok", message)


def _project(context: DoctorContext) -> Project:
    """Return the project as it is asked for; outside of one, one with the defaults."""
    target = context.target.name if context.target else DEFAULT_TARGET
    if context.project is not None:
        return replace(context.project, model_id=context.model, target=target)
    return Project(context.folder, context.model, "main", target, evaluate_rows=1)
