"""Memory that a stage takes, reckoned from what it took with a model that was measured.

Measured with a Phi-3-mini of the real size (3.8 billion parameters in bfloat16) on two cores
(tests/benchmarks/full_size.py); with `tiny`, a stage takes what its libraries take. Between the
two, and beyond, memory is a straight line over the size of the weights.
"""

from __future__ import annotations

from phi3scaffold.training.memory import LIBRARIES

GIB = 2**30
MEASURED_WEIGHTS = 7.64e9  # bytes


def memory_for(weights: int, measured: float) -> int:
    """Return bytes at most for weights of that size; `measured` are those of the Phi-3-mini."""
    return round(LIBRARIES + (measured - LIBRARIES) * weights / MEASURED_WEIGHTS)
