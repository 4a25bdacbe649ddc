"""Measure a form in a process of its own: its memory is its own, and comes back."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import threading
import traceback
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from phi3scaffold.evaluation.evaluation_set import EvaluationSet
from phi3scaffold.evaluation.measurement import Candidate, Measurement, Reference, measure
from phi3scaffold.pipeline.events import Emit
from phi3scaffold.pipeline.failures import describe_error, why_it_ended
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError

PRELOADED = ["phi3scaffold.evaluation.preload"]


def measure_in_subprocess(
    candidate: Candidate,
    dataset: EvaluationSet,
    emit: Emit,
    log: Path,
    *,
    reference: Reference | None = None,
    save_logits: Path | None = None,
) -> Measurement:
    """Measure as `measure` does, and the process's peak memory, too.

    Args:
        log: takes what the libraries print.

    Raises:
        ScaffoldError: what `measure` raises; or exit code 1 with the log's name when it died.
    """
    context = _context(candidate.form)
    ours, its = context.Pipe(duplex=False)
    work = (candidate, dataset, reference, save_logits, log, its)
    process = context.Process(target=_work, args=work, daemon=True)
    process.start()
    its.close()
    try:
        while True:
            kind, value = ours.recv()
            if kind == "event":
                emit(value)
            elif kind == "done":
                process.join()
                return value
            else:
                raise value
    except EOFError:
        process.join()
        raise ScaffoldError(
            f"Measuring the {candidate.form} form was ended from outside "
            f"({why_it_ended(process.exitcode or 0)}).",
            where=log,
            fix="if memory ran out: a smaller evaluate.rows does not help; close other programs",
            exit_code=FAILED_RUN,
        ) from None
    finally:
        process.kill()
        process.join()
        ours.close()


def _context(form: str) -> Any:
    """Return the way to start it: ONNX forms get a process without torch, as where they ship."""
    if form.startswith("onnx") or "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _work(
    candidate: Candidate,
    dataset: EvaluationSet,
    reference: Reference | None,
    save_logits: Path | None,
    log: Path,
    pipe: Connection,
) -> None:
    """Run the process: measure, send the result, end."""
    from phi3scaffold.pipeline import environment

    environment.prepare()
    log.parent.mkdir(parents=True, exist_ok=True)
    stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    try:
        measurement = measure(
            candidate,
            dataset,
            lambda event: pipe.send(("event", event)),
            reference=reference,
            save_logits=save_logits,
        )
        measurement.peak_bytes = environment.peak_bytes()
        pipe.send(("done", measurement))
    except BaseException as error:  # noqa: BLE001 (the parent reports it)
        traceback.print_exc()
        with contextlib.suppress(OSError):
            pipe.send(("error", describe_error(error, log)))
    pipe.close()
    sys.stdout.flush()
    sys.stderr.flush()
    # libraries leave threads behind that can hang the interpreter's shutdown
    os._exit(0)


def _end_with(sentinel: Any) -> None:
    """End this process when its parent ends: nobody waits for an orphan's result."""
    wait([sentinel])
    os._exit(FAILED_RUN)
