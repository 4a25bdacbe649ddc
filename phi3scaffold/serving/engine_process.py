"""The engine's process: it holds the models and answers one request at a time.

It reads requests from standard input and writes events to standard output, one JSON object a line.
A thread reads, so that a request can be cancelled between two tokens. When the server is gone,
standard input ends, and so does this process.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from phi3scaffold.inference.api_error import CLIENT_CLOSED, ApiError
from phi3scaffold.inference.engine import Engine, RequestCancelled
from phi3scaffold.inference.forms import open_form
from phi3scaffold.inference.forms.form import Form
from phi3scaffold.inference.forms.genai_adapter import GenaiAdapterForm
from phi3scaffold.inference.json_schema import BadSchema
from phi3scaffold.inference.request import AnswerText, Request
from phi3scaffold.pipeline import environment
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import load_project

PARENT_GONE = 0


def main(models: str) -> None:
    """Run the process. `models`: the served models as JSON, see `ServedModel.to_json`."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # the server ends us, after the last answer
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    sys.setswitchinterval(0.0005)  # the reading thread gets its turn within a token
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    environment.prepare()

    def emit(kind: str, *, flush: bool = True, **values: Any) -> None:
        try:
            events.write(json.dumps({"kind": kind, **values}) + "\n")
            if flush:
                events.flush()
        except OSError:
            os._exit(PARENT_GONE)

    try:
        engine = Engine(_load(json.loads(models)))
    except ScaffoldError as error:
        emit(
            "failed", error={key: vars(error)[key] for key in ("what", "where", "fix", "exit_code")}
        )
        return
    requests: queue.SimpleQueue[tuple[int, Request]] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(engine, requests), daemon=True).start()
    emit("ready", contexts={name: form.context for name, (form, _) in engine.models.items()})
    while True:
        number, request = requests.get()
        try:
            for event in engine.answer(number, request):
                flush = request.stream or not isinstance(event, AnswerText)
                emit(event.kind, flush=flush, id=number, **vars(event))
        except Exception as error:  # noqa: BLE001 (a failed request must not affect the next one)
            emit("error", id=number, error=_api_error(error).to_json())
        engine.open.discard(number)


def _api_error(error: Exception) -> ApiError:
    """Return what the client is told of an answer that failed."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, RequestCancelled):
        return ApiError(CLIENT_CLOSED, "The request was cancelled.")
    if isinstance(error, BadSchema):
        message = f"The schema cannot be used: {error}"
        return ApiError(400, message, code="invalid_json_schema", param="response_format")
    traceback.print_exception(error)
    return ApiError(500, "The model failed; see the server's log.", code="engine")


def _load(models: list[dict[str, Any]]) -> dict[str, tuple[Form, str | None]]:
    """Open every form once; return the name of each model -> (its form, its adapter)."""
    forms: dict[str, Form] = {}
    for model in models:
        name, adapter = model["form"], model["adapter"]
        if name not in forms:
            forms[name] = open_form(name, load_project(Path(model["root"])), adapter=adapter)
        form = forms[name]
        if isinstance(form, GenaiAdapterForm) and adapter:
            form.use(adapter)  # now: at the first request its files may be others, or gone
    return {model["id"]: (forms[model["form"]], model["adapter"]) for model in models}


def _read(engine: Engine, requests: queue.SimpleQueue[tuple[int, Request]]) -> None:
    """Queue the requests of the server, and cancel those that it cancels, until it is gone."""
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "cancel" in message:
            engine.open.discard(message["cancel"])
        else:
            engine.open.add(message["id"])
            requests.put((message["id"], Request.from_json(message["request"])))
    os._exit(PARENT_GONE)


if __name__ == "__main__":
    main(sys.argv[1])
