"""The verdict of a run: does what was measured keep the limits of project.yaml?

Only a model that keeps them all is marked as released. A limit that changes is looked at again
without measuring anything again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from phi3scaffold.evaluation import gate
from phi3scaffold.pipeline import manifest
from phi3scaffold.pipeline.stage import Context, Inputs, Stage
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.layout import METRICS, RELEASE
from phi3scaffold.project.settings import Project


def inputs(project: Project) -> Inputs:
    return Inputs(settings=dict(project.gate))


def run(context: Context) -> dict[str, Any]:
    """Write release.json: whether the model is released, which one it is, and every check."""
    project = context.project
    text = (project.evaluation / METRICS).read_bytes()
    checks = gate.check(json.loads(text), dict(project.gate))
    onnx = manifest.read(project.onnx)
    release = {
        "released": all(found.verdict in (gate.KEPT, gate.WARNING) for found in checks),
        "model": onnx.content if onnx else None,
        "metrics": hashlib.sha256(text).hexdigest(),
        "demonstration": project.is_demonstration,
        "checks": [asdict(found) for found in checks],
    }
    (context.out / RELEASE).write_text(json.dumps(release, indent=1) + "\n", encoding="utf-8")
    return release


def judge(facts: dict[str, Any]) -> ScaffoldError | None:
    """The error that a broken gate is."""
    return gate.verdict([gate.Check(**found) for found in facts["checks"]])


STAGE = Stage(
    name="gate",
    title="looking at the limits",
    folder=lambda project: project.release,
    inputs=inputs,
    run=run,
    after=("export", "evaluate"),
    judge=judge,
    summary=lambda facts: None,
    is_timed=True,
)
