"""The engine: loaded forms that answer one request at a time.

`infer` and `chat` have one in their process; the server has one in a process of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import chain, islice
from typing import Any

from phi3scaffold.inference.api_error import ApiError
from phi3scaffold.inference.forms.form import Form
from phi3scaffold.inference.forms.genai import GenaiForm
from phi3scaffold.inference.forms.genai_adapter import GenaiAdapterForm
from phi3scaffold.inference.json_schema import BadSchema, broken
from phi3scaffold.inference.request import Request, StopTexts
from phi3scaffold.project.errors import USER_MISTAKE, ScaffoldError


class RequestCancelled(Exception):
    """The client does not want the answer any more."""


class Engine:
    """The loaded forms, each once, however many adapters it answers with.

    Args:
        models: name -> (form, adapter or None).
    """

    def __init__(self, models: Mapping[str, tuple[Form, str | None]]) -> None:
        self.models = models
        self.wanted: set[int] = set()  # the reading thread takes a request out of it

    def answer(self, number: int, asked: Request) -> Iterator[dict[str, Any]]:
        """The events of one answer: begun, then text, then end.

        Raises:
            ApiError: the request cannot be answered as it stands.
            RequestCancelled: nobody waits for it any more.
        """
        if number not in self.wanted:
            raise RequestCancelled
        form, adapter = self.models[asked.model]
        if isinstance(form, GenaiAdapterForm) and adapter and form.adapter != adapter:
            form.use(adapter)
        if asked.sampling.schema and not isinstance(form, GenaiForm):
            raise ApiError(
                400,
                f"Only the ONNX forms keep to a JSON schema; {asked.model!r} is {form.name}.",
                code="unsupported_parameter",
                param="response_format",
            )
        ids = encoded(form, asked)
        room = room_for(form, ids, asked)

        def still_wanted() -> None:
            if number not in self.wanted:
                raise RequestCancelled

        count = 0

        def counted() -> Iterator[int]:
            nonlocal count
            with closing(form.sample(ids, room, asked.sampling, still_wanted)) as tokens:
                for token in tokens:
                    still_wanted()
                    count += 1
                    yield token

        until = StopTexts(asked.stop)
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


def encoded(form: Form, asked: Request) -> list[int]:
    """The prompt as token ids. Raises ApiError."""
    where = "messages" if asked.text is None else "prompt"
    try:
        if asked.text is not None:
            return form.encode_text(asked.text)
        return form.encode(form.prompt.conversation(asked.turns))
    except ScaffoldError as error:
        if error.exit_code != USER_MISTAKE:
            raise
        fix = f" ({error.fix})" if error.fix else ""
        raise ApiError(400, f"{error.what}{fix}", code="invalid_value", param=where) from None


def room_for(form: Form, ids: list[int], asked: Request) -> int:
    """How many tokens the answer may have. Raises ApiError where there is no room for them."""
    where = "messages" if asked.text is None else "prompt"
    if not ids:
        raise ApiError(400, "The prompt is empty.", code="invalid_value", param=where)
    left = form.context - len(ids)
    if left < (asked.limit or 1):
        answer = f" and {asked.limit} for the answer" if asked.limit else ""
        raise ApiError(
            400,
            f"This model's context holds {form.context} tokens, prompt and answer together; you "
            f"ask for {len(ids)} in the prompt{answer}.",
            code="context_length_exceeded",
            param=where,
        )
    if asked.limit is None and asked.sampling.schema is None:
        return min(left, form.prompt.max_new_tokens)
    return asked.limit or left
