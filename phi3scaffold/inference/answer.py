"""One answer, as the server would give it: its engine, in this process."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from phi3scaffold.inference.answer_settings import AnswerSettings
from phi3scaffold.inference.api_error import ApiError
from phi3scaffold.inference.calibration import LabelProbability
from phi3scaffold.inference.engine import Engine, RequestCancelled, encode
from phi3scaffold.inference.forms.form import Form
from phi3scaffold.inference.request import AnswerEnded, AnswerStarted, AnswerText
from phi3scaffold.models.column_templates import Message, Tool
from phi3scaffold.project.errors import ScaffoldError

MODEL, NUMBER = "local", 1
FEW_TOKENS = 5  # too few to measure a speed


class Answer:
    """Iterate over it once: the text in pieces, as soon as each is certain.

    Args:
        turns: the conversation, the user's text last; the settings' system turn is put before it.
        exact, tools: see `Request`.

    Attributes:
        text: what came so far; prompt_tokens and tokens are known once the answer ended.
        finish: ``stop``, ``length``, or ``stopped`` where the user stopped it.
        seconds, first_token_seconds: of the whole answer, and until its first token.
    """

    def __init__(
        self,
        form: Form,
        turns: Sequence[Message],
        settings: AnswerSettings,
        exact: bool = False,
        tools: tuple[Tool, ...] = (),
    ) -> None:
        self.form, self.request = form, settings.request(turns, MODEL, exact, tools)
        self._settings = settings
        self.text, self.finish = "", ""
        self.prompt_tokens = self.tokens = 0
        self.seconds = self.first_token_seconds = 0.0
        self._engine = Engine({MODEL: (form, None)})
        self._engine.open.add(NUMBER)

    def stop(self) -> None:
        """End the answer before its next token. Safe in a signal handler."""
        self._engine.open.discard(NUMBER)

    @property
    def speed(self) -> float:
        """Tokens a second after the first one; 0 where there are too few to measure."""
        seconds = self.seconds - self.first_token_seconds
        return (self.tokens - 1) / seconds if self.tokens > FEW_TOKENS and seconds > 0 else 0.0

    def labels(self) -> list[LabelProbability]:
        """Return the labels with their probabilities behind this prompt, the likeliest first.

        [] where the form or the settings give none. It reads the prompt once more.
        """
        calibration = self.form.calibration
        if calibration is None or not self._settings.has_probabilities:
            return []
        ids = encode(self.form, self.request)
        if len(ids) + calibration.longest > self.form.context:
            return []
        (reading,) = self.form.read([ids], calibration.longest)
        return calibration.of(reading)[0]

    def __iter__(self) -> Iterator[str]:
        """Yield the pieces. Raises ScaffoldError where the server would refuse the request."""
        start = time.perf_counter()
        try:
            for event in self._engine.answer(NUMBER, self.request):
                self.seconds = time.perf_counter() - start
                match event:
                    case AnswerStarted():
                        self.prompt_tokens = event.prompt_tokens
                        self.first_token_seconds = self.seconds
                    case AnswerText():
                        self.text += event.text
                        yield event.text
                    case AnswerEnded():
                        self.finish, self.tokens = event.finish, event.tokens
        except ApiError as error:
            raise ScaffoldError(error.message) from None
        except RequestCancelled:
            self.finish = "stopped"
