"""The graph of the pipeline's stages, each behind those that it reads from."""

from __future__ import annotations

from collections.abc import Iterable

from phi3scaffold.pipeline.stage import Stage
from phi3scaffold.stages import (
    adapters,
    data,
    evaluate,
    export,
    export_base,
    finetune,
    gate,
    merge,
    model,
    report,
    tokenizer,
)

WHOLE = report.STAGE.name  # a run of the whole pipeline ends with it
STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        tokenizer.STAGE,
        data.STAGE,
        model.STAGE,
        finetune.STAGE,
        merge.STAGE,
        export.STAGE,
        export_base.STAGE,
        adapters.STAGE,
        evaluate.STAGE,
        gate.STAGE,
        report.STAGE,
    )
}


def up_to(name: str = WHOLE) -> list[str]:
    """Return the stage and everything it reads from, in the order they run."""
    needed = {name}
    for stage in reversed(STAGES.values()):
        if stage.name in needed:
            needed.update(stage.after_in(STAGES))
    return [stage for stage in STAGES if stage in needed]


def has_verdict(names: Iterable[str]) -> bool:
    """Tell whether one of these stages gives a verdict, which may end a run that made it all."""
    return any(name in STAGES and STAGES[name].judge for name in names)


def run_by(verb: str) -> list[str]:
    """Return the stages that a verb runs, in order; all of the pipeline for ``run``."""
    stage = STAGES.get(verb)
    return up_to(stage.verb_ends_at or verb) if stage else up_to()
