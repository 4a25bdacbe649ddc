"""What OpenAI's interface answers with: whole objects, and the chunks of a stream."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

from phi3scaffold.inference.api_error import ApiError
from phi3scaffold.serving.engine_client import PendingRequest
from phi3scaffold.serving.served_models import ServedModel

DONE = "data: [DONE]\n\n"


class CompletionResponse:
    """One answer's outer form.

    Args:
        chat: of a chat completion, else of a completion.
        usage: whether a stream ends with the counts of tokens.
    """

    def __init__(
        self, ticket: PendingRequest, model: ServedModel, *, chat: bool, usage: bool
    ) -> None:
        self.ticket, self.chat, self.usage = ticket, chat, usage
        self.head = {
            "id": f"{'chatcmpl' if chat else 'cmpl'}-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": model.id,
            "system_fingerprint": f"fp_{model.content}",
        }

    async def whole(self) -> dict[str, Any]:
        """The finished answer. Raises ApiError where it breaks off."""
        text = "".join([piece async for piece in self.ticket.texts()])
        said = {"message": {"role": "assistant", "content": text, "refusal": None}}
        return {
            **self.head,
            "object": "chat.completion" if self.chat else "text_completion",
            "choices": [self._choice(said if self.chat else {"text": text}, self.ticket.finish)],
            "usage": self._counts(),
        }

    async def stream(self) -> AsyncIterator[str]:
        """The answer as server-sent events; an error is one, too."""
        try:
            if self.chat:
                yield self._chunk({"delta": {"role": "assistant", "content": ""}})
            async for piece in self.ticket.texts():
                yield self._chunk({"delta": {"content": piece}} if self.chat else {"text": piece})
            said: dict[str, Any] = {"delta": {}} if self.chat else {"text": ""}
            yield self._chunk(said, self.ticket.finish)
            if self.usage:
                yield self._event(choices=[], usage=self._counts())
            yield DONE
        except ApiError as refused:
            yield f"data: {json.dumps(refused.body)}\n\n"
        finally:
            self.ticket.cancel()  # nothing, where the answer is over

    def _chunk(self, said: dict[str, Any], finish: str | None = None) -> str:
        usage = {"usage": None} if self.usage else {}
        return self._event(choices=[self._choice(said, finish)], **usage)

    def _event(self, **rest: Any) -> str:
        kind = "chat.completion.chunk" if self.chat else "text_completion"
        text = json.dumps({**self.head, "object": kind, **rest}, ensure_ascii=False)
        return f"data: {text}\n\n"

    @staticmethod
    def _choice(said: dict[str, Any], finish: str | None) -> dict[str, Any]:
        return {"index": 0, **said, "logprobs": None, "finish_reason": finish}

    def _counts(self) -> dict[str, int]:
        prompt, answer = self.ticket.prompt_tokens, self.ticket.tokens
        return {
            "prompt_tokens": prompt,
            "completion_tokens": answer,
            "total_tokens": prompt + answer,
        }
