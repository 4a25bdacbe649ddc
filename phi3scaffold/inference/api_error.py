"""A request that gets no answer, in the format that OpenAI's clients expect."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

CLIENT_CLOSED = 499  # the status in the log where the client closed the connection


@dataclass(eq=False)
class ApiError(Exception):
    """A request that gets no answer.

    Attributes:
        message: what is wrong, and what to do about it.
        code: a word for programs, such as ``context_length_exceeded``.
        param: the field of the request that is wrong.
        retry_after: seconds after which to try again.
    """

    status: int
    message: str
    _: KW_ONLY
    code: str | None = None
    param: str | None = None
    retry_after: int | None = None

    def __str__(self) -> str:
        return self.message

    @property
    def body(self) -> dict[str, Any]:
        """The response body in OpenAI's format."""
        kinds = {401: "authentication_error", 429: "rate_limit_error"}
        kind = kinds.get(self.status, "invalid_request_error")
        if self.status >= 500 and self.status != 505:  # 505: the client's HTTP version
            kind = "server_error"
        return {
            "error": {
                "message": self.message,
                "type": kind,
                "param": self.param,
                "code": self.code,
            }
        }

    @property
    def headers(self) -> dict[str, str]:
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return {**headers, "WWW-Authenticate": "Bearer"} if self.status == 401 else headers
