"""A request that gets no answer, in the format that OpenAI's clients expect."""

from __future__ import annotations

from typing import Any

CLIENT_CLOSED = 499  # the status in the log where the client closed the connection


class ApiError(Exception):
    """A request that gets no answer.

    Args:
        status: the HTTP status.
        message: what is wrong, and what to do about it.
        code: a word for programs, such as ``context_length_exceeded``.
        param: the field of the request that is wrong.
        retry_after: seconds after which to try again.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_after = retry_after

    def to_json(self) -> dict[str, Any]:
        """Return JSON-able values; ``ApiError(**...)`` restores the error."""
        return vars(self).copy()

    @property
    def body(self) -> dict[str, Any]:
        """The response body in OpenAI's format."""
        kinds = {401: "authentication_error", 429: "rate_limit_error"}
        kind = kinds.get(self.status, "invalid_request_error")
        if self.status >= 500:
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
