"""What every process of ours sets before it imports anything heavy.

Telemetry of every dependency is off; the hub is asked for nothing that was not asked for.
"""

from __future__ import annotations

import os

TELEMETRY_OFF = {
    "OLIVE_DISABLE_TELEMETRY": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "ANONYMIZED_TELEMETRY": "False",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
QUIET = {
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "warning",
    "BITSANDBYTES_NOWELCOME": "1",
}
# Threads that wait by spinning starve each other when the machine has other work: small matrix
# products then run ten times slower on two busy cores. Sleeping costs an idle machine little.
THREADS = {"OMP_WAIT_POLICY": "PASSIVE"}


def prepare() -> None:
    """Switch telemetry off; keep what the user set for the rest."""
    os.environ.update(TELEMETRY_OFF)
    for name, value in {**QUIET, **THREADS}.items():
        os.environ.setdefault(name, value)


def physical_cores() -> int:
    """Cores this process may use; at least 1. Hyper-threads do not help matrix products."""
    import psutil

    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    try:
        return max(1, min(cores, len(os.sched_getaffinity(0))))
    except AttributeError:  # Windows, macOS
        return max(1, cores)
