"""The environment of every process of ours, set before anything heavy is imported; its resources.

Telemetry of every dependency is off; the hub is asked for nothing that was not asked for.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from phi3scaffold.pipeline.machine import cores

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
# Processes that we start run modules in the folder they are started in. That holds a project, whose
# random.py or numpy.py is not the one that is meant.
PATH = {"PYTHONSAFEPATH": "1"}


def prepare() -> None:
    """Settle telemetry and where modules come from; keep what the user set of the rest."""
    os.environ.update(TELEMETRY_OFF | PATH)
    for name, value in {**QUIET, **THREADS}.items():
        os.environ.setdefault(name, value)


def physical_cores() -> int:
    """Return how many cores this process may use; hyper-threads do not help matrix products."""
    import psutil

    logical = cores()
    return min(psutil.cpu_count(logical=False) or logical, logical)


def peak_bytes() -> int:
    """Return the peak resident memory of this process so far, in bytes; 0 where it is unknown."""
    with contextlib.suppress(OSError):  # Linux, whose getrusage begins with the parent's peak
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    except ImportError:  # Windows
        import psutil

        return int(getattr(psutil.Process().memory_info(), "peak_wset", 0))
