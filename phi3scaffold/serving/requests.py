"""Request bodies of OpenAI's interface, as far as one local model supports them.

A parameter that would change the answer and is not supported is refused, never ignored.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from phi3scaffold.inference.api_error import ApiError
from phi3scaffold.inference.request import Request
from phi3scaffold.inference.sampling import (
    HOTTEST,
    LARGEST,
    SEEDS,
    STOP_LENGTH,
    STOPS,
    Sampling,
)
from phi3scaffold.inference.schema_budget import excess
from phi3scaffold.models.column_templates import Message

# Without effect on this server's answers.
HARMLESS = frozenset(
    {
        "metadata",
        "parallel_tool_calls",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "user",
    }
)
# Accepted with values that change nothing.
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "audio": (),
    "best_of": (1,),
    "echo": (False,),
    "frequency_penalty": (0,),
    "function_call": ("none",),
    "functions": ([],),
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"],),
    "n": (1,),
    "prediction": (),
    "presence_penalty": (0,),
    "reasoning_effort": ("none",),
    "store": (False,),
    "suffix": ("",),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "top_logprobs": (0,),
    "verbosity": ("medium",),
    "web_search_options": (),
}
MOST_LOGPROBS = 20  # alternatives at each token, as OpenAI's
# Parameters of tools, and what to do instead.
TOOL_PARAMETERS = frozenset({"function_call", "functions", "tool_choice", "tools"})
NO_TOOLS = (
    ", which passes no tools on to the model. Leave it out; for JSON in the answer use "
    "response_format, and for tools `phi3scaffold infer --input`, whose rows may have them."
)
ROLES = ("system", "developer", "user", "assistant")
Stop = Annotated[str, Field(min_length=1, max_length=STOP_LENGTH)]


def hint(parameter: str) -> str:
    """Return how the refusal of a parameter ends: with what to do, where there is something."""
    return NO_TOOLS if parameter in TOOL_PARAMETERS else ". Leave it out."


class StrictModel(BaseModel):
    """A part of a request body without unknown fields."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class ChatMessage(BaseModel):
    """One message of a chat; `text` refuses other content than text."""

    model_config = ConfigDict(strict=True, extra="allow")

    role: str
    content: str | list[dict[str, Any]] | None = None
    name: str | None = None

    def text(self, where: str) -> str:
        """Return the message's text. Raises ApiError."""
        if isinstance(self.content, str):
            return self.content
        if self.content is None:
            raise invalid(f"{where}.content", "The message has no text.")
        texts = []
        for number, part in enumerate(self.content):
            kind, text = part.get("type"), part.get("text")
            if kind != "text" or not isinstance(text, str):
                raise invalid(
                    f"{where}.content.{number}", f"This model reads text only, not {kind!r:.40}."
                )
            texts.append(text)
        return "".join(texts)


class StreamOptions(StrictModel):
    """What a stream contains."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class JsonSchema(StrictModel):
    """A named JSON schema."""

    name: str = Field(min_length=1, max_length=64)
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None
    description: str | None = None


class ResponseFormat(StrictModel):
    """The format of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    def schema_text(self) -> str | None:
        """Return the JSON schema to conform to, as JSON; None for any text."""
        if self.type == "text":
            return None
        schema: dict[str, Any] = {"type": "object"}
        if self.type == "json_schema":
            if self.json_schema is None or self.json_schema.schema_ is None:
                raise invalid("response_format.json_schema.schema", "The schema is missing.")
            schema = self.json_schema.schema_
        text = json.dumps(schema)
        too_much = excess(schema, len(text))
        if too_much:
            raise invalid(
                "response_format",
                f"The schema costs too much: {too_much}.",
                code="invalid_json_schema",
            )
        return text


class CommonFields(BaseModel):
    """The fields that both request bodies have."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)

    model: str | None = Field(default=None, max_length=256)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(default=None, ge=1, le=LARGEST)
    temperature: float | None = Field(default=None, ge=0, le=HOTTEST)
    top_p: float | None = Field(default=None, ge=0, le=1)
    seed: int | None = Field(default=None, ge=SEEDS[0], le=SEEDS[1])
    stop: Stop | Annotated[list[Stop], Field(max_length=STOPS)] | None = None
    response_format: ResponseFormat | None = None

    @field_validator("stop", mode="before")
    @classmethod
    def _no_empty_stop(cls, value: Any) -> Any:
        return None if value == [] else value

    @property
    def wants_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    def _request(self, model: str, max_tokens: int | None, **prompt: Any) -> Request:
        """Return the request for the engine. Raises ApiError."""
        schema = self.response_format.schema_text() if self.response_format else None
        return Request(
            model=model,
            max_tokens=max_tokens,
            stop=(self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ()),
            sampling=Sampling.from_settings(self.temperature, self.top_p, self.seed, schema),
            stream=bool(self.stream),
            **prompt,
        )

    def check_extra(self) -> None:
        """Raise ApiError for a parameter that this server would have to ignore."""
        for name, value in (self.model_extra or {}).items():
            if value is None or name in HARMLESS:
                continue
            if name not in NEUTRAL:
                raise invalid(name, f"Unknown parameter: {name!r:.80}.", "unknown_parameter")
            # in Python 1 == True and 0 == False, so compare whether both are booleans, too
            allowed = NEUTRAL[name]
            if not any(
                value == one and isinstance(value, bool) == isinstance(one, bool) for one in allowed
            ):
                raise invalid(
                    name,
                    f"{name}: {json.dumps(value):.40} is not supported by this server{hint(name)}",
                    "unsupported_parameter",
                )
        if self.stream_options is not None and not self.stream:
            raise invalid("stream_options", "stream_options needs stream: true.")


class ChatRequest(CommonFields):
    """POST /v1/chat/completions."""

    messages: list[ChatMessage] = Field(min_length=1, max_length=2048)
    max_completion_tokens: int | None = Field(default=None, ge=1, le=LARGEST)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=MOST_LOGPROBS)

    def to_request(self, model: str) -> Request:
        """Return the request for the engine. Raises ApiError."""
        self.check_extra()
        if None not in (self.max_tokens, self.max_completion_tokens) and (
            self.max_tokens != self.max_completion_tokens
        ):
            raise invalid("max_tokens", "max_tokens and max_completion_tokens differ.")
        if self.top_logprobs and not self.logprobs:
            raise invalid("top_logprobs", "top_logprobs needs logprobs: true.")
        return self._request(
            model,
            self.max_completion_tokens or self.max_tokens,
            turns=tuple(self._turns()),
            logprobs=self.top_logprobs or 0 if self.logprobs else None,
        )

    def _turns(self) -> list[Message]:
        """Return the conversation. Raises ApiError where the model cannot answer it."""
        turns: list[Message] = []
        for number, turn in enumerate(self.messages):
            where = f"messages.{number}"
            if turn.role not in ROLES:
                raise invalid(
                    f"{where}.role",
                    f"The role {turn.role!r:.40} is not supported; one of: {', '.join(ROLES)}.",
                )
            for name, value in (turn.model_extra or {}).items():
                if value not in (None, [], ""):
                    raise invalid(
                        f"{where}.{name}",
                        f"{name!r:.80} in a message is not supported.",
                        "unsupported_parameter",
                    )
            role = "system" if turn.role == "developer" else turn.role
            if role == "system" and number:
                raise invalid(f"{where}.role", "Only the first message can be a system message.")
            turns.append({"role": role, "content": turn.text(where)})
        if turns[-1]["role"] != "user":
            raise invalid("messages", "The last message must be a user message.")
        return turns


class CompletionRequest(CommonFields):
    """POST /v1/completions."""

    prompt: str | list[Any]

    def to_request(self, model: str) -> Request:
        """Return the request for the engine. Raises ApiError."""
        self.check_extra()
        prompt = self.prompt
        if isinstance(prompt, list):
            if len(prompt) != 1 or not isinstance(prompt[0], str):
                raise invalid("prompt", "One text at a time: neither token ids nor several texts.")
            prompt = prompt[0]
        return self._request(model, self.max_tokens, text=prompt)


def invalid(where: str, message: str, code: str = "invalid_value") -> ApiError:
    """Return the error about one field."""
    return ApiError(400, message, code=code, param=where[:200])
