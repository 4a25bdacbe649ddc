"""Responses in OpenAI's format: whole objects, and the chunks of a stream."""

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
    """The response to one request; with `usage` a stream ends with the token counts."""

    def __init__(
        self, pending: PendingRequest, model: ServedModel, *, chat: bool, usage: bool
    ) -> None:
        self.pending, self.chat, self.usage = pending, chat, usage
        self.head = {
            "id": f"{'chatcmpl' if chat else 'cmpl'}-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": model.id,
            "system_fingerprint": f"fp_{model.content}",
        }

    async def whole(self) -> dict[str, Any]:
        """Return the whole response. Raises ApiError where the answer fails."""
        text = "".join([piece async for piece in self.pending.texts()])
        message = {"role": "assistant", "content": text, "refusal": None}
        content = {"message": message} if self.chat else {"text": text}
        return {
            **self.head,
            "object": "chat.completion" if self.chat else "text_completion",
            "choices": [self._choice(content, self.pending.finish)],
            "usage": self._usage(),
        }

    async def stream(self) -> AsyncIterator[str]:
        """Yield the response as server-sent events; an error is one, too."""
        try:
            if self.chat:
                yield self._chunk({"delta": {"role": "assistant", "content": ""}})
            async for piece in self.pending.texts():
                yield self._chunk({"delta": {"content": piece}} if self.chat else {"text": piece})
            last: dict[str, Any] = {"delta": {}} if self.chat else {"text": ""}
            # the whole answer's, at its end: what clients put together is the same
            yield self._chunk(last, self.pending.finish)
            if self.usage:
                yield self._event(choices=[], usage=self._usage())
            yield DONE
        except ApiError as error:
            yield f"data: {json.dumps(error.body)}\n\n"
        finally:
            self.pending.cancel()  # no effect once the answer is over

    def _chunk(self, content: dict[str, Any], finish: str | None = None) -> str:
        usage = {"usage": None} if self.usage else {}
        return self._event(choices=[self._choice(content, finish)], **usage)

    def _event(self, **rest: Any) -> str:
        kind = "chat.completion.chunk" if self.chat else "text_completion"
        text = json.dumps({**self.head, "object": kind, **rest}, ensure_ascii=False)
        return f"data: {text}\n\n"

    def _choice(self, content: dict[str, Any], finish: str | None) -> dict[str, Any]:
        logprobs: dict[str, Any] | None = None
        found = self.pending.logprobs
        if found is not None and finish is not None:
            logprobs = {"content": found.content, "refusal": None}
            if found.labels is not None:
                logprobs["labels"] = found.labels  # ours: OpenAI has no such field
        return {"index": 0, **content, "logprobs": logprobs, "finish_reason": finish}

    def _usage(self) -> dict[str, int]:
        prompt, answer = self.pending.prompt_tokens, self.pending.tokens
        return {
            "prompt_tokens": prompt,
            "completion_tokens": answer,
            "total_tokens": prompt + answer,
        }
