"""The engine's process: it holds the models and answers one request at a time.

A thread reads the server's messages (`phi3scaffold.pipeline.protocol`), so that a request can be
cancelled between two tokens. They end when the server is gone, and so does this process.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from phi3scaffold.inference.api_error import CLIENT_CLOSED, ApiError
from phi3scaffold.inference.engine import Engine, RequestCancelled
from phi3scaffold.inference.forms import open_form
from phi3scaffold.inference.forms.form import Form
from phi3scaffold.inference.forms.genai_adapter import GenaiAdapterForm
from phi3scaffold.inference.json_schema import BadSchema
from phi3scaffold.inference.request import AnswerText, Request
from phi3scaffold.pipeline import environment, protocol
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import load_project


def main() -> None:
    """Load the served models and answer requests, until the server is gone."""
    protocol.ignore_signals("SIGINT", "SIGTERM", "SIGHUP")  # the server ends us, at its end
    sys.setswitchinterval(0.0005)  # the reading thread gets its turn within a token
    send = protocol.take_stdout().send
    environment.prepare()
    try:
        engine = Engine(_load(protocol.work()), lambda most: send({"kind": "alive", "most": most}))
    except ScaffoldError as error:
        send({"kind": "failed", "error": error.to_json()})
        return
    requests: queue.SimpleQueue[tuple[int, Request]] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(engine, requests, send), daemon=True).start()
    contexts = {name: form.context for name, (form, _) in engine.models.items()}
    send({"kind": "ready", "contexts": contexts})
    while True:
        number, request = requests.get()
        try:
            for event in engine.answer(number, request):
                flush = request.stream or not isinstance(event, AnswerText)
                send({"kind": event.kind, "id": number, **vars(event)}, flush=flush)
        except Exception as error:  # noqa: BLE001 (a failed request must not affect the next one)
            send({"kind": "error", "id": number, "error": vars(_api_error(error))})
        engine.open.discard(number)


def _api_error(error: Exception) -> ApiError:
    """Return the error that the client gets for an answer that failed."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, RequestCancelled):
        return ApiError(CLIENT_CLOSED, "The request was cancelled.")
    if isinstance(error, BadSchema):
        return error.api_error
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


def _read(
    engine: Engine,
    requests: queue.SimpleQueue[tuple[int, Request]],
    send: Callable[[dict[str, Any]], None],
) -> None:
    """Queue the requests of the server, and cancel those that it cancels, until it is gone."""
    for message in protocol.read(sys.stdin.buffer):
        if "cancel" in message:
            engine.open.discard(message["cancel"])
        elif "ping" in message:
            send({"kind": "alive"})
        else:
            engine.open.add(message["id"])
            requests.put((message["id"], Request.from_json(message["request"])))
    os._exit(0)


if __name__ == "__main__":
    main()
