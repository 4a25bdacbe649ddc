"""The engine: a process that holds the models and answers one request at a time.

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
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from typing import Any

from phi3scaffold.errors import USER_MISTAKE, ScaffoldError
from phi3scaffold.project import load_project
from phi3scaffold.runtime import environment
from phi3scaffold.runtime.forms import open_form
from phi3scaffold.runtime.forms.form import Form
from phi3scaffold.runtime.forms.genai import GenaiForm
from phi3scaffold.runtime.forms.genai_adapter import GenaiAdapterForm
from phi3scaffold.runtime.forms.schema import BadSchema, broken
from phi3scaffold.runtime.serving.asked import Asked, Until
from phi3scaffold.runtime.serving.refused import Refused

ENDED = 0


class TakenBack(Exception):
    """The client does not want the answer any more."""


class Engine:
    """The loaded forms, each once, however many adapters it answers with.

    Args:
        models: name -> (form, adapter or None).
    """

    def __init__(self, models: Mapping[str, tuple[Form, str | None]]) -> None:
        self.models = models
        self.wanted: set[int] = set()  # the reading thread takes a request out of it

    def answer(self, number: int, asked: Asked) -> Iterator[dict[str, Any]]:
        """The events of one answer: begun, then text, then end.

        Raises:
            Refused: the request cannot be answered as it stands.
            TakenBack: nobody waits for it any more.
        """
        if number not in self.wanted:
            raise TakenBack
        form, adapter = self.models[asked.model]
        if isinstance(form, GenaiAdapterForm) and adapter and form.adapter != adapter:
            form.use(adapter)
        if asked.sampling.schema and not isinstance(form, GenaiForm):
            raise Refused(
                400,
                f"Only the ONNX forms keep to a JSON schema; {asked.model!r} is {form.name}.",
                code="unsupported_parameter",
                param="response_format",
            )
        ids = encoded(form, asked)
        room = room_for(form, ids, asked)

        def still_wanted() -> None:
            if number not in self.wanted:
                raise TakenBack

        count = 0

        def counted() -> Iterator[int]:
            nonlocal count
            with closing(form.sample(ids, room, asked.sampling, still_wanted)) as tokens:
                for token in tokens:
                    still_wanted()
                    count += 1
                    yield token

        until = Until(asked.stop)
        whole: list[str] = []
        source = counted()
        first = list(islice(source, 1))  # now the prompt was read, and the schema was taken
        yield {"begun": len(ids)}
        for piece in form.pieces(chain(first, source)):
            text = until.feed(piece)
            if text:
                whole.append(text)
                yield {"text": text}
            if until.found:
                break
        rest = until.rest()
        if rest:
            whole.append(rest)
            yield {"text": rest}
        stopped = until.found or count < room
        if asked.sampling.schema and stopped and not until.found:
            why = broken("".join(whole), asked.sampling.schema)
            if why:
                raise BadSchema(why)
        yield {"end": "stop" if stopped else "length", "tokens": count}


def encoded(form: Form, asked: Asked) -> list[int]:
    """The prompt as token ids. Raises Refused."""
    where = "messages" if asked.text is None else "prompt"
    try:
        if asked.text is not None:
            return form.encode_text(asked.text)
        return form.encode(form.prompt.conversation(asked.turns))
    except ScaffoldError as error:
        if error.exit_code != USER_MISTAKE:
            raise
        fix = f" ({error.fix})" if error.fix else ""
        raise Refused(400, f"{error.what}{fix}", code="invalid_value", param=where) from None


def room_for(form: Form, ids: list[int], asked: Asked) -> int:
    """How many tokens the answer may have. Raises Refused where there is no room for them."""
    where = "messages" if asked.text is None else "prompt"
    if not ids:
        raise Refused(400, "The prompt is empty.", code="invalid_value", param=where)
    left = form.context - len(ids)
    if left < (asked.limit or 1):
        answer = f" and {asked.limit} for the answer" if asked.limit else ""
        raise Refused(
            400,
            f"This model's context holds {form.context} tokens, prompt and answer together; you "
            f"ask for {len(ids)} in the prompt{answer}.",
            code="context_length_exceeded",
            param=where,
        )
    if asked.limit is None and asked.sampling.schema is None:
        return min(left, form.prompt.max_new_tokens)
    return asked.limit or left


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
    asked: queue.SimpleQueue[tuple[int, Asked]] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(engine, asked), daemon=True).start()
    contexts = {name: form.context for name, (form, _) in engine.models.items()}
    tell({"ready": contexts})
    while True:
        number, request = asked.get()
        try:
            for event in engine.answer(number, request):
                tell({"id": number, **event}, at_once=request.stream or "end" in event)
        except TakenBack:
            tell({"id": number, "end": "cancelled", "tokens": 0})
        except BadSchema as error:
            message = f"The schema cannot be used: {error}"
            refused = Refused(400, message, code="invalid_json_schema", param="response_format")
            tell({"id": number, "refused": refused.to_json()})
        except Refused as error:
            tell({"id": number, "refused": error.to_json()})
        except Exception:  # noqa: BLE001 (one request's trouble is not the next one's)
            traceback.print_exc()
            refused = Refused(500, "The model failed; the server's log tells more.", code="engine")
            tell({"id": number, "refused": refused.to_json()})
        engine.wanted.discard(number)


def _load(models: list[dict[str, Any]]) -> dict[str, tuple[Form, str | None]]:
    forms: dict[str, Form] = {}
    for model in models:
        name, adapter = model["form"], model["adapter"]
        if name not in forms:
            forms[name] = open_form(name, load_project(Path(model["root"])), adapter=adapter)
    return {model["id"]: (forms[model["form"]], model["adapter"]) for model in models}


def _read(engine: Engine, asked: queue.SimpleQueue[tuple[int, Asked]]) -> None:
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "cancel" in message:
            engine.wanted.discard(message["cancel"])
        else:
            engine.wanted.add(message["id"])
            asked.put((message["id"], Asked.from_json(message["asked"])))
    os._exit(ENDED)


if __name__ == "__main__":
    main(sys.argv[1])
