"""The engine: loaded forms that answer one request at a time.

`infer` and `chat` have one in their process; the server has one in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from itertools import chain, islice

from phi3scaffold.inference.answer_logprobs import answer_logprobs
from phi3scaffold.inference.answer_reader import AnswerReader
from phi3scaffold.inference.api_error import ApiError
from phi3scaffold.inference.forms.form import Form
from phi3scaffold.inference.forms.genai import SLOWEST, GenaiForm
from phi3scaffold.inference.forms.genai_adapter import GenaiAdapterForm
from phi3scaffold.inference.json_schema import BadSchema, find_violation
from phi3scaffold.inference.request import (
    AnswerEnded,
    AnswerEvent,
    AnswerStarted,
    AnswerText,
    Request,
)
from phi3scaffold.project.errors import USER_MISTAKE, ScaffoldError


class RequestCancelled(Exception):
    """The client does not want the answer any more."""


class Engine:
    """The loaded forms, each once, however many adapters it answers with.

    Args:
        models: name -> (form, adapter or None).
        announce: told before each step in which no other thread of this process runs, with the most
            seconds that it may take.

    Attributes:
        open: numbers of the requests that clients wait for; another thread may take one out.
    """

    def __init__(
        self,
        models: Mapping[str, tuple[Form, str | None]],
        announce: Callable[[float], None] = lambda _most: None,
    ) -> None:
        self.models, self._announce = models, announce
        self.open: set[int] = set()

    def answer(self, number: int, request: Request) -> Iterator[AnswerEvent]:
        """Yield the events of one answer: started, then text, then ended.

        Raises:
            ApiError: the request cannot be answered as it stands.
            BadSchema: no answer can conform to its JSON schema.
            RequestCancelled: its number is no longer in `open`.
        """
        self._check_open(number)
        form, adapter = self.models[request.model]
        if isinstance(form, GenaiAdapterForm) and adapter and form.adapter != adapter:
            form.use(adapter)
        schema = request.sampling.schema
        if schema and not isinstance(form, GenaiForm):
            raise ApiError(
                400,
                f"Only the ONNX forms support a JSON schema; {request.model!r} is {form.name}.",
                code="unsupported_parameter",
                param="response_format",
            )
        ids = encode(form, request)
        room = answer_room(form, ids, request)
        made: list[int] = []
        source = self._tokens(number, form, ids, room, request, made)
        first = list(islice(source, 1))  # now the prompt was read, and the schema was accepted
        yield AnswerStarted(len(ids))
        reader = AnswerReader(form, chain(first, source), request.stop)
        pieces: list[str] = []
        for text in reader:
            pieces.append(text)
            yield AnswerText(text)
        finish = reader.finish(room)
        if schema and finish == "stop" and not reader.stopped:
            why = find_violation("".join(pieces), schema)
            if why:
                raise BadSchema(why)
        if request.logprobs is not None:
            self._check_open(number)
            labels = form.calibration.ids if form.calibration else ()
            self._announce((len(ids) + len(made) + sum(map(len, labels))) / SLOWEST)
            yield answer_logprobs(form, ids, made, request)
        yield AnswerEnded(finish, reader.tokens)

    def _tokens(
        self,
        number: int,
        form: Form,
        ids: list[int],
        room: int,
        request: Request,
        made: list[int],
    ) -> Iterator[int]:
        """Yield the answer's tokens, and keep them; between two the request may be cancelled."""

        def check(most: float | None = None) -> None:
            self._check_open(number)
            if most is not None:
                self._announce(most)

        with closing(form.sample(ids, room, request.sampling, check)) as tokens:
            for token in tokens:
                check()
                made.append(token)
                yield token

    def _check_open(self, number: int) -> None:
        if number not in self.open:
            raise RequestCancelled


def encode(form: Form, request: Request) -> list[int]:
    """Return the prompt as token ids. Raises ApiError."""
    try:
        if request.text is not None:
            return form.encode_text(request.text)
        return form.encode(request.messages(form.prompt), request.tools)
    except ScaffoldError as error:
        if error.exit_code != USER_MISTAKE:
            raise
        fix = f" ({error.fix})" if error.fix else ""
        raise _prompt_error(request, f"{error.what}{fix}") from None


def answer_room(form: Form, ids: list[int], request: Request) -> int:
    """Return how many tokens the answer may have. Raises ApiError where the context is full."""
    if not ids:
        raise _prompt_error(request, "The prompt is empty.")
    left = form.context - len(ids)
    wanted = request.max_tokens
    if left < (wanted or 1):
        answer = f" and {wanted} for the answer" if wanted else ""
        raise _prompt_error(
            request,
            f"This model's context holds {form.context} tokens, prompt and answer together; the "
            f"request needs {len(ids)} for the prompt{answer}.",
            "context_length_exceeded",
        )
    if wanted is None and request.sampling.schema is None:
        return min(left, form.prompt.max_new_tokens)
    return wanted or left


def _prompt_error(request: Request, message: str, code: str = "invalid_value") -> ApiError:
    param = "messages" if request.text is None else "prompt"
    return ApiError(400, message, code=code, param=param)
