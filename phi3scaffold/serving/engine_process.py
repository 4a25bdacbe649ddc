"""The engine's process: it holds the models and answers one request at a time.

It reads requests from standard input and writes events to standard output, one JSON object a line.
A thread reads, so that a request can be taken back between two tokens. When the server is gone,
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

from phi3scaffold.inference.api_error import ApiError
from phi3scaffold.inference.engine import Engine, RequestCancelled
from phi3scaffold.inference.forms import open_form
from phi3scaffold.inference.forms.form import Form
from phi3scaffold.inference.forms.genai_adapter import GenaiAdapterForm
from phi3scaffold.inference.json_schema import BadSchema
from phi3scaffold.inference.request import Request
from phi3scaffold.pipeline import environment
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import load_project

ENDED = 0


def main(work: str) -> None:
    """The process's whole life. `work`: JSON, the served models."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # the server ends us, after the last answer
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    sys.setswitchinterval(0.0005)  # the reading thread is heard within a token
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    environment.prepare()

    def tell(event: dict[str, Any], *, at_once: bool = True) -> None:
        try:
            events.write(json.dumps(event) + "\n")
            if at_once:
                events.flush()
        except OSError:
            os._exit(ENDED)

    try:
        engine = Engine(_load(json.loads(work)))
    except ScaffoldError as error:
        tell({"failed": {key: vars(error)[key] for key in ("what", "where", "fix", "exit_code")}})
        return
    asked: queue.SimpleQueue[tuple[int, Request]] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(engine, asked), daemon=True).start()
    contexts = {name: form.context for name, (form, _) in engine.models.items()}
    tell({"ready": contexts})
    while True:
        number, request = asked.get()
        try:
            for event in engine.answer(number, request):
                tell({"id": number, **event}, at_once=request.stream or "text" not in event)
        except RequestCancelled:
            tell({"id": number, "end": "cancelled", "tokens": 0})
        except BadSchema as error:
            message = f"The schema cannot be used: {error}"
            refused = ApiError(400, message, code="invalid_json_schema", param="response_format")
            tell({"id": number, "refused": refused.to_json()})
        except ApiError as error:
            tell({"id": number, "refused": error.to_json()})
        except Exception:  # noqa: BLE001 (one request's trouble is not the next one's)
            traceback.print_exc()
            refused = ApiError(500, "The model failed; the server's log tells more.", code="engine")
            tell({"id": number, "refused": refused.to_json()})
        engine.wanted.discard(number)


def _load(models: list[dict[str, Any]]) -> dict[str, tuple[Form, str | None]]:
    forms: dict[str, Form] = {}
    for model in models:
        name, adapter = model["form"], model["adapter"]
        if name not in forms:
            forms[name] = open_form(name, load_project(Path(model["root"])), adapter=adapter)
        form = forms[name]
        if isinstance(form, GenaiAdapterForm) and adapter:
            form.use(adapter)  # now: once it is asked for, the files may be others, or none
    return {model["id"]: (forms[model["form"]], model["adapter"]) for model in models}


def _read(engine: Engine, asked: queue.SimpleQueue[tuple[int, Request]]) -> None:
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "cancel" in message:
            engine.wanted.discard(message["cancel"])
        else:
            engine.wanted.add(message["id"])
            asked.put((message["id"], Request.from_json(message["asked"])))
    os._exit(ENDED)


if __name__ == "__main__":
    main(sys.argv[1])
