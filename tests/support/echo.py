"""A form that needs no model: tokens are characters, answers the last message in capitals."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from phi3scaffold.inference.forms.form import Form
from phi3scaffold.inference.sampling import GREEDY, Sampling
from phi3scaffold.models.column_templates import Message, Tool
from phi3scaffold.models.prompt import Prompt

QA = Prompt(task="qa", user="Q: {q}", columns=("q",), stop=(1,), max_new_tokens=40)
CHAT = Prompt(task="chat", user="{message}", columns=("message",), stop=(1,), max_new_tokens=20)
TWO = Prompt(task="qa", user="{a}-{b}", columns=("a", "b"), stop=(1,), max_new_tokens=20)


class Echo(Form):
    """Answers with the last message in capitals; a token is a character."""

    context = plain_context = 200

    def __init__(
        self, prompt: Prompt, interrupt_after: int | None = None, pause: float = 0
    ) -> None:
        self.name, self.prompt = "onnx", prompt
        self.special_tokens = ("<|end|>",)
        self._stop = frozenset(prompt.stop)
        self.folder = Path("nowhere")
        self.asked: list[list[dict[str, str]]] = []
        self.samplings: list[Sampling] = []
        self.interrupt_after, self.pause = interrupt_after, pause

    def _encode(self, messages: list[Message], tools: Sequence[Tool] = ()) -> list[int]:
        self.asked.append(messages)
        return self._encode_text("|".join(m["content"] for m in messages))

    def _encode_text(self, text: str) -> list[int]:
        return [ord(c) for c in text]

    def _decode(self, ids: Sequence[int]) -> str:
        return "".join(map(chr, ids))

    def _tokens(
        self, ids: list[int], room: int, least: int = 0, sampling: Sampling = GREEDY, check=None
    ) -> Iterator[int]:
        self.samplings.append(sampling)
        answer = self._decode(ids).rpartition("|")[2].upper()
        for count, character in enumerate(answer[:room]):
            if count == self.interrupt_after:
                self.interrupt_after = None
                signal.raise_signal(signal.SIGINT)
            time.sleep(self.pause)
            yield ord(character)

    def _batch(self, batch: list[list[int]], room: int) -> list[list[int]]:
        return [list(self._tokens(ids, room)) for ids in batch]

    def _read_prefix(self, ids: list[int], prompts: object, longest: int) -> None:
        return None

    def _read(self, rows: object, prompts: object, prefix: object, longest: int) -> NoReturn:
        raise NotImplementedError("an echo has no logits")

    def close(self) -> None:
        pass


def program(prompt: str, pause: float = 0) -> list[str]:
    """A command line that runs `phi3scaffold`, with more words behind it, over an echo.

    Args:
        prompt: a Python expression.
        pause: seconds for each token.
    """
    root = Path(__file__).resolve().parents[2]
    code = (
        f"import sys; sys.path.append({str(root)!r})\n"
        "from phi3scaffold.__main__ import VERBS\n"
        "from phi3scaffold.cli import form_options, main\n"
        "from tests.support.echo import *\n"
        f"form_options.open_form = lambda *a, **b: Echo({prompt}, pause={pause})\n"
        "sys.exit(main(VERBS, sys.argv[1:]))\n"
    )
    return [sys.executable, "-c", code]
