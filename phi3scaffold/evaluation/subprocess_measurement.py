"""`measure` in a process of its own; progress and the result come back through a pipe."""

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

from phi3scaffold.evaluation.measurement import Measured, Reference, Subject, measure
from phi3scaffold.evaluation.questions import Questions
from phi3scaffold.pipeline.events import Emit
from phi3scaffold.pipeline.failures import describe_error, why_it_ended
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError

PRELOADED = ["phi3scaffold.evaluation.preload"]


def measure_alone(
    subject: Subject,
    asked: Questions,
    emit: Emit,
    log: Path,
    *,
    reference: Reference | None = None,
    save_logits: Path | None = None,
) -> Measured:
    """As `measure`, its memory at most among the results.

    Args:
        log: takes what the libraries say.

    Raises:
        ScaffoldError: what `measure` raises; or exit code 1 with the log's name when it died.
    """
    context = _context(subject.form)
    ours, its = context.Pipe(duplex=False)
    work = (subject, asked, reference, save_logits, log, its)
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
            f"Measuring the {subject.form} form was ended from outside "
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
    """ONNX forms get a process that never saw torch, as where they ship."""
    if form.startswith("onnx") or "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _work(
    subject: Subject,
    asked: Questions,
    reference: Reference | None,
    save_logits: Path | None,
    log: Path,
    pipe: Connection,
) -> None:
    """The process's whole life."""
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
        made = measure(
            subject,
            asked,
            lambda event: pipe.send(("event", event)),
            reference=reference,
            save_logits=save_logits,
        )
        made.peak_bytes = environment.peak_bytes()
        pipe.send(("done", made))
    except BaseException as error:  # noqa: BLE001 (the parent tells it)
        traceback.print_exc()
        with contextlib.suppress(OSError):
            pipe.send(("error", describe_error(error, log)))
    pipe.close()
    sys.stdout.flush()
    sys.stderr.flush()
    # libraries leave threads behind that can hang the interpreter's shutdown
    os._exit(0)


def _end_with(sentinel: Any) -> None:
    """Nobody waits for what an orphan measures."""
    wait([sentinel])
    os._exit(FAILED_RUN)
