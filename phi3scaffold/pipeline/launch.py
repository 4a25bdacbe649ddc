"""Several processes on this machine, under torchrun."""

from __future__ import annotations

import logging
import sys
import uuid
from collections.abc import Sequence

from phi3scaffold.pipeline import child, machine
from phi3scaffold.project.errors import FAILED_RUN, INTERRUPTED, ScaffoldError
from phi3scaffold.project.formatting import binary_size


def check_count(count: int, *, on_gpus: bool, memory: int) -> None:
    """Refuse more processes than there are GPUs or processors, or than memory holds.

    Args:
        memory: bytes that one process needs.

    Raises:
        ScaffoldError: with the number that fits.
    """
    if on_gpus:
        import torch

        _refuse_more(count, torch.cuda.device_count(), "GPUs")
        return
    _refuse_more(count, machine.cores(), "processors")
    total = machine.memory()[0]
    if count * memory > total:
        raise ScaffoldError(
            f"--nproc {count} does not fit in memory: each process takes about "
            f"{binary_size(memory)}, and there are {binary_size(total)} in all.",
            fix=f"--nproc {max(1, total // memory)}",
        )


def _refuse_more(count: int, most: int, what: str) -> None:
    if count > most:
        raise ScaffoldError(
            f"--nproc {count} is more than this machine has {what}: {most}.",
            fix=f"--nproc {most}" if most else "--local, to train on the processor",
        )


def launch(count: int, words: Sequence[str]) -> int:
    """Run `phi3scaffold WORDS` in `count` processes; return the exit code of the first to fail.

    As ``torchrun --standalone --nproc-per-node COUNT`` does; what fails is said by rank 0, not by
    torchrun.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.disable(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)(*child.command("phi3scaffold", *words)[1:])
    except ChildFailedError as error:
        codes = [error.failures[rank].exitcode for rank in sorted(error.failures)]
        return next((code for code in codes if code > 0), FAILED_RUN)
    except SignalException:
        return INTERRUPTED
    return 0
