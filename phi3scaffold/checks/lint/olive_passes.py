"""The Olive config has a pass for every stage, in order, and its paths stay in the project.

Each stage runs its part of the list of passes: training, MergeAdapterWeights, quantizers,
ModelBuilder. A stage without a pass would stop a run after the hours of the stages before it.
Paths are relative to the project, so that it can be moved and sent to the cloud.

To fix it: the message names the pass; fine-tuning/README.md explains each of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from phi3scaffold.checks.lint_context import DATASET, OLIVE, Document, LintContext
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.findings import Finding
from phi3scaffold.project.key_locations import Key
from phi3scaffold.project.olive_config import STAGES, load_config

ID = "L08-olive-passes"


def check(context: LintContext) -> Iterator[Finding]:
    document = context.require_document(OLIVE)
    try:
        config = load_config(context.root / OLIVE)
    except ScaffoldError as error:
        yield context.finding(ID, error)
        return
    whole = True
    for stage in STAGES:
        try:
            config.names_for(stage)
        except ScaffoldError as error:
            whole = False
            yield context.finding(ID, error)
    if whole and context.project and context.project.merge_base == "nf4":
        try:
            config.nf4_base()
        except ScaffoldError as error:
            yield context.finding(ID, error)
    yield from _paths(context, document)


def _paths(context: LintContext, config: Document) -> Iterator[Finding]:
    for key in ("cache_dir", "output_dir"):
        value = config.get(key)
        if isinstance(value, str) and _leads_out(value):
            what = f"{value} leads out of the project."
            yield Finding(ID, "error", what, config.at(key), f'"{key}": "gen-model/.work/olive"')
    rows = config.get("data_configs")
    for index in range(len(rows) if isinstance(rows, list) else 0):
        at: Key = ("data_configs", index)
        script = config.get(*at, "user_script")
        if isinstance(script, str) and not (context.root / script).is_file():
            what = f"There is no {script}."
            fix = "a path relative to the project: fine-tuning/user_script.py"
            yield Finding(ID, "error", what, config.at(*at, "user_script"), fix)
        dataset = config.get(*at, "load_dataset_config", "dataset")
        if isinstance(dataset, str) and dataset.endswith((".yaml", ".yml")) and dataset != DATASET:
            what = f"Its rows are those of {dataset}; everything else reads {DATASET}."
            fix = f'"dataset": "{DATASET}"'
            yield Finding(ID, "error", what, config.at(*at, "load_dataset_config", "dataset"), fix)


def _leads_out(path: str) -> bool:
    parts = PurePosixPath(path.replace("\\", "/")).parts
    return path.startswith(("/", "~", "\\")) or path[1:2] == ":" or ".." in parts
