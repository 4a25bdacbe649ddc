"""One answer, as the server would give it: its engine, in this process."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from phi3scaffold.inference.answer_settings import AnswerSettings
from phi3scaffold.inference.api_error import ApiError
from phi3scaffold.inference.engine import Engine, RequestCancelled
from phi3scaffold.inference.forms.form import Form
from phi3scaffold.inference.request import Request
from phi3scaffold.models.templates import Message
from phi3scaffold.project.errors import ScaffoldError

MODEL, NUMBER = "here", 1
FEW = 5  # tokens, whose speed says nothing


class Answer:
    """Iterate over it once: the text in pieces, as soon as each is certain.

    Args:
        turns: the conversation, the user's text last; the settings' system turn is put before it.

    Attributes:
        text: what came so far.
        prompt_tokens, tokens: known once the answer ended.
        finish: ``stop``, ``length``, or ``stopped`` where a person took it back.
        seconds: the whole time.
        reading: the part of it until the first token was there.
    """

    def __init__(self, form: Form, turns: Sequence[Message], settings: AnswerSettings) -> None:
        self.form, self.asked = form, request(turns, settings)
        self.text, self.finish = "", ""
        self.prompt_tokens = self.tokens = 0
        self.seconds = self.reading = 0.0
        self._engine = Engine({MODEL: (form, None)})
        self._engine.wanted.add(NUMBER)

    def stop(self) -> None:
        """No more tokens: the answer ends as far as it has come. Safe in a signal handler."""
        self._engine.wanted.discard(NUMBER)

    @property
    def speed(self) -> float:
        """Tokens a second behind the first one; 0 where there are too few to measure."""
        spent = self.seconds - self.reading
        return (self.tokens - 1) / spent if self.tokens > FEW and spent > 0 else 0.0

    def __iter__(self) -> Iterator[str]:
        """Raises ScaffoldError where the server would refuse the request."""
        began = time.perf_counter()
        try:
            for event in self._engine.answer(NUMBER, self.asked):
                self.seconds = time.perf_counter() - began
                if "begun" in event:
                    self.prompt_tokens, self.reading = event["begun"], self.seconds
                elif "end" in event:
                    self.finish, self.tokens = event["end"], event["tokens"]
                else:
                    self.text += event["text"]
                    yield event["text"]
        except ApiError as refused:
            raise ScaffoldError(refused.message) from None
        except RequestCancelled:
            self.finish = "stopped"


def request(turns: Sequence[Message], settings: AnswerSettings) -> Request:
    """What the server's engine is asked."""
    first: list[Message] = []
    if settings.system is not None and (not turns or turns[0]["role"] != "system"):
        first = [{"role": "system", "content": settings.system}]
    return Request(
        model=MODEL,
        turns=(*first, *turns),
        limit=settings.max_tokens,
        stop=settings.stop,
        sampling=settings.sampling,
        stream=True,
    )
