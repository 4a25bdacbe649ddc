"""From an answer's tokens to its text, which ends before the first stop text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from phi3scaffold.inference.forms.form import Form


class AnswerReader:
    """Iterate over it once: the text in pieces, as soon as each is certain.

    Reading `ids` ends at a stop text; `tokens` says how many were read.
    """

    def __init__(self, form: Form, ids: Iterable[int], stop: tuple[str, ...]) -> None:
        self._form, self._ids, self._stop = form, ids, StopFilter(stop)
        self.tokens = 0

    @property
    def stopped(self) -> bool:
        return self._stop.matched

    def finish(self, room: int) -> str:
        """Return why the answer ended, where it could have `room` tokens."""
        return "stop" if self.stopped or self.tokens < room else "length"

    def __iter__(self) -> Iterator[str]:
        for piece in self._form.pieces(self._counted()):
            text = self._stop.feed(piece)
            if text:
                yield text
            if self.stopped:
                return
        rest = self._stop.rest()
        if rest:
            yield rest

    def _counted(self) -> Iterator[int]:
        for token in self._ids:
            self.tokens += 1
            yield token


class StopFilter:
    """Lets text through up to the first stop text, which may come in pieces."""

    def __init__(self, stop: tuple[str, ...]) -> None:
        self.stop = stop
        self.matched = False
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return what certainly stands before any stop text; set `matched` once one came."""
        text = self._held + piece
        ends = [at for at in (text.find(stop) for stop in self.stop) if at >= 0]
        if ends:
            self.matched, self._held = True, ""
            return text[: min(ends)]
        held = max((_overlap(text, stop) for stop in self.stop), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def rest(self) -> str:
        """Return what was held back, once nothing more comes."""
        text, self._held = self._held, ""
        return text


def _overlap(text: str, stop: str) -> int:
    """Return how many characters at the end of `text` begin `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
