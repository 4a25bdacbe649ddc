"""Measure a form in a process of its own: its memory is its own, and comes back."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
import traceback
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from phi3scaffold.evaluation.evaluation_set import EvaluationSet
from phi3scaffold.evaluation.looks import MOST_LOOKS
from phi3scaffold.evaluation.measurement import Candidate, Measurement, Timing, measure
from phi3scaffold.evaluation.row_scores import Reference
from phi3scaffold.models.base_model import base_family
from phi3scaffold.models.families.registry import DEFAULT
from phi3scaffold.pipeline import child, environment, protocol
from phi3scaffold.pipeline.events import Emit, Failure, from_json, to_json
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError

# The first makes the server that processes are forked of end with this one.
PRELOADED = ["phi3scaffold.pipeline.forked_child", "phi3scaffold.evaluation.preload"]


def measure_in_subprocess(
    candidate: Candidate,
    dataset: EvaluationSet,
    emit: Emit,
    log: Path,
    *,
    reference: Reference | None = None,
    save_logits: Path | None = None,
    seconds: float | None = None,
    most_looks: int = MOST_LOOKS,
    timing: Timing | None = None,
    validation: EvaluationSet | None = None,
) -> Measurement:
    """Measure as `measure` does, and the process's peak memory, too.

    Args:
        log: takes what the libraries print.

    Raises:
        ScaffoldError: what `measure` raises; or exit code 1 with the log's name when it died.
    """
    context = _context(candidate)
    ours, its = context.Pipe(duplex=False)
    work = (
        *(candidate, dataset, reference, save_logits, seconds, most_looks, timing, validation),
        *(log, its),
    )
    process = context.Process(target=_work, args=work, daemon=True)
    process.start()
    its.close()
    try:
        for message in protocol.read(_lines(ours)):
            if "measurement" in message:
                process.join()
                return Measurement(**message["measurement"])
            event = from_json(message)
            if isinstance(event, Failure):
                raise event.error
            if event is not None:
                emit(event)
        process.join()
        raise ScaffoldError(
            f"Measuring the {candidate.form} form was ended from outside "
            f"({protocol.describe_exit(process.exitcode or 0)}).",
            where=log,
            fix="if memory ran out: a smaller evaluate.rows does not help; close other programs",
            exit_code=FAILED_RUN,
        )
    finally:
        process.kill()
        process.join()
        ours.close()


def _lines(pipe: Connection) -> Iterator[bytes]:
    with contextlib.suppress(EOFError):
        while True:
            yield pipe.recv_bytes()


def _context(candidate: Candidate) -> Any:
    """Return the way to start it: ONNX forms get a process without torch, as where they ship."""
    if (
        candidate.form.startswith("onnx")
        or "forkserver" not in multiprocessing.get_all_start_methods()
    ):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    family = DEFAULT if isinstance(candidate.where, Path) else base_family(candidate.where)
    context.set_forkserver_preload([*PRELOADED, family.module])
    return context


def _work(
    candidate: Candidate,
    dataset: EvaluationSet,
    reference: Reference | None,
    save_logits: Path | None,
    seconds: float | None,
    most_looks: int,
    timing: Timing | None,
    validation: EvaluationSet | None,
    log: Path,
    pipe: Connection,
) -> None:
    """Run the process: measure, send the result, end."""
    child.end_with(os.getppid())
    parent = multiprocessing.parent_process()  # that one may be the server that processes fork of
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    environment.prepare()
    protocol.output_to(log)
    outlet = protocol.Outlet(pipe.send_bytes)
    try:
        measurement = measure(
            candidate,
            dataset,
            lambda event: outlet.send(to_json(event)),
            reference=reference,
            save_logits=save_logits,
            seconds=seconds,
            most_looks=most_looks,
            timing=timing,
            validation=validation,
        )
        measurement.peak_bytes = environment.peak_bytes()
        outlet.send({"measurement": vars(measurement)})
    except BaseException as error:  # noqa: BLE001 (the parent reports it)
        traceback.print_exc()
        outlet.send(to_json(Failure(protocol.describe_error(error, log))))
    protocol.leave()


def _end_with(sentinel: Any) -> None:
    """End this process when its parent ends: nobody waits for an orphan's result."""
    wait([sentinel])
    os._exit(FAILED_RUN)
