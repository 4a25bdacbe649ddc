"""Read the tracked runs of a project from the server that MLFLOW_TRACKING_URI names."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from typing import Any

from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project
from phi3scaffold.reporting.tracking import is_installed, tracking_uri, without_credentials
from phi3scaffold.reporting.tracking.process import QUICK, experiment_name

PAGE = 200  # runs of one request


def server_runs(project: Project) -> list[Any]:
    """Return the runs of the project's experiment as MLflow has them, the oldest first.

    Raises:
        ScaffoldError: the server does not answer, or refuses.
    """
    uri = tracking_uri(project)
    where = without_credentials(uri)
    if not is_installed():
        raise ScaffoldError(
            "MLflow is not installed, which reads the tracked runs of a server.",
            where=where,
            fix="make setup",
        )
    for name, value in QUICK.items():
        os.environ.setdefault(name, value)
    try:
        return list(_search(uri, experiment_name(project)))
    except Exception as error:  # noqa: BLE001 (a store may raise anything)
        first = re.split(r"\n| with url: ", without_credentials(str(error)).strip())[0]
        raise ScaffoldError(
            f"The tracked runs cannot be read: {first[:200]}.",
            where=where,
            fix="look at the address and the login of the server; without MLFLOW_TRACKING_URI "
            "`phi3scaffold runs` reads the project's own store",
        ) from None


def _search(uri: str, experiment: str) -> Iterator[Any]:
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    page = ""
    while found is not None:
        runs = client.search_runs(
            [found.experiment_id],
            max_results=PAGE,
            order_by=["attributes.start_time ASC"],
            page_token=page or None,
        )
        yield from runs
        page = runs.token
        if not page:
            return


def finite_metrics(run: Any) -> dict[str, float]:
    """Return the last values of a run's metrics that are numbers."""
    metrics = run.data.metrics.items()
    return {name: value for name, value in sorted(metrics) if math.isfinite(value)}
