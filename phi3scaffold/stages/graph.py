"""The graph: tokenizer, data, model, finetune, merge, export, adapters, evaluate, gate, report."""

from __future__ import annotations

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


def up_to(name: str) -> list[str]:
    """The stage and everything it reads from, in the order they run."""
    wanted = {name}
    for stage in reversed(STAGES.values()):
        if stage.name in wanted:
            wanted.update(stage.after)
    return [stage for stage in STAGES if stage in wanted]
