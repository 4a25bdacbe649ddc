"""What a job measures, into MLflow: Azure ML's own tracking is MLflow, and sets its address.

Nothing is logged where MLFLOW_TRACKING_URI is not set. Tracking never ends a run: what it cannot
do is said once. Models are not logged (Azure ML lacks that endpoint); they are the job's output.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

Emit = Callable[[dict[str, Any]], None]
STEP = ("loss", "tokens_per_second", "learning_rate")
RUNG = ("accuracy", "macro_f1", "rouge_l", "perplexity", "agreement", "tokens_per_second")


def tracker(note: Callable[[str], None]) -> Emit:
    """A sink for the pipeline's events; `note` is told when tracking does not work."""
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        return lambda event: None
    try:
        import mlflow
    except ImportError:
        note("MLflow is not installed in the job's environment: nothing is tracked")
        return lambda event: None
    broken = False

    def track(event: dict[str, Any]) -> None:
        nonlocal broken
        if broken:
            return
        found = metrics(event)
        if not found:
            return
        try:
            if mlflow.active_run() is None:
                mlflow.start_run()  # the job's own: MLFLOW_RUN_ID
            mlflow.log_metrics(found, step=event.get("step"))
        except Exception as error:  # noqa: BLE001 (whatever a plug-in raises)
            broken = True
            note(f"MLflow does not take it ({type(error).__name__}): nothing more is tracked")

    return track


def metrics(event: dict[str, Any]) -> dict[str, float]:
    """The numbers of an event, by the name they get; only numbers that are finite."""
    found: dict[str, Any] = {}
    if event["kind"] == "step" and event.get("loss") is not None:
        found = {name: event.get(name) for name in STEP}
    elif event["kind"] == "stage" and event["state"] == "done":
        stage, facts = event["stage"], event.get("facts") or {}
        told = {**facts, "seconds": event.get("seconds"), "peak_bytes": event.get("peak_bytes")}
        found = {f"{stage}.{name}": value for name, value in told.items()}
        for form, rung in (facts.get("forms") or {}).items():
            if isinstance(rung, dict):
                found |= {f"{form}.{name}": rung.get(name) for name in RUNG}
    return {
        name: float(value)
        for name, value in found.items()
        if isinstance(value, (int, float))
        and not isinstance(value, bool)
        and abs(value) < float("inf")
    }
