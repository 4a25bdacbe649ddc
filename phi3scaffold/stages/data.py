"""`phi3scaffold data`: read, check, render and split the rows, and say what they are."""

from __future__ import annotations

from phi3scaffold.datasets.spec import load_spec
from phi3scaffold.datasets.token_counts import token_counts
from phi3scaffold.models.base_model import Base
from phi3scaffold.pipeline.stage import Context, Facts, Inputs, Resources, Stage, Tracking, Work
from phi3scaffold.project.layout import ROWS_CARD, ROWS_PAGE
from phi3scaffold.project.settings import DEMONSTRATION, Project
from phi3scaffold.project.training_plan import training_plan

STARTS = 0.4  # of the libraries: no PyTorch
DISK_PER_BYTE = 12  # bytes for a byte of rows: shards and result hold ids, labels and texts


def inputs(project: Project) -> Inputs:
    """Return dataset.yaml and the files that it names."""
    spec = load_spec(project.dataset_yaml)
    return Inputs(files=(project.dataset_yaml, *spec.files))


def disk(project: Project, weights: int) -> int:
    spec = load_spec(project.dataset_yaml)
    return DISK_PER_BYTE * sum(file.stat().st_size for file in spec.files)


def work(project: Project, weights: int) -> Work:
    """Return what reading the rows takes, by how many tokens they have."""
    counts = token_counts(project)
    tokens = counts.tokens * (counts.train + counts.validation + counts.held_out)
    return Work(starts=STARTS, tokens=tokens, rendered=tokens)


def run(context: Context) -> Facts:
    """Write the sets, the dropped rows, the report and the data card: see `prepare`."""
    from phi3scaffold.datasets.preparation import prepare
    from phi3scaffold.reporting import data_card, data_page

    project = context.project
    spec = load_spec(project.dataset_yaml)
    report = prepare(
        spec,
        project.tokenizer,
        context.out,
        context.partial,
        context.emit,
        model=Base.of(project).name,
    )
    note = DEMONSTRATION if project.is_demonstration else ""
    data_page.write(report, context.out / ROWS_PAGE, note, training_plan(project))
    data_card.write(report, context.out / ROWS_CARD)
    facts = {
        "task": spec.task,
        "train": report["rows"]["train"],
        "validation": report["rows"]["validation"],
        "held_out": report["rows"]["held_out"],
        "dropped": report["dropped"],
        **{name: report[name] for name in ("seconds", "rows_per_second", "peak_bytes")},
    }
    if report["labels"]:
        facts["labels"] = dict(sorted(report["labels"]["train"].items()))
    return facts


def summary(facts: Facts) -> str:
    if not facts:
        return ""
    dropped = sum(facts.get("dropped", {}).values())
    validation = facts.get("validation")
    validating = f"{validation} to validate" if validation else "no validation set"
    return (
        f"{facts['train']} rows to train, {validating}, {facts['held_out']} held out, "
        f"{dropped} dropped"
    )


STAGE = Stage(
    name="data",
    title="reading the rows",
    folder=lambda project: project.rows,
    inputs=inputs,
    run=run,
    after=("tokenizer",),
    packages=("transformers", "tokenizers", "pyarrow", "numpy", "datasketch"),
    needs_torch=True,
    needs_accelerator=False,
    resources=Resources(disk=disk, work=work),
    summary=summary,
    tracking=Tracking(metrics=lambda facts: facts, files=(ROWS_CARD,)),
)
