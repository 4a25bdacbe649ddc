"""The OpenAPI description of what the server takes and answers, at /openapi.json.

What it takes comes from the classes that read the bodies (`requests`), and the parameters beside
their fields from the tables there; what it answers stands here.
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

import phi3scaffold
from phi3scaffold.serving.requests import HARMLESS, NEUTRAL, ROLES, ChatRequest, CompletionRequest

REFERENCE = "#/components/schemas/{model}"
TEXT: dict[str, Any] = {"type": "string"}
TEXTS: dict[str, Any] = {"type": "array", "items": TEXT}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
NUMBER: dict[str, Any] = {"type": "number"}
# Status -> when it is the answer to a request for text.
REFUSALS = {
    "400": "The request cannot be answered as it stands.",
    "404": "There is no such model.",
    "408": "The request took too long to arrive.",
    "413": "The request is too large.",
    "415": "The body is not JSON, or compressed.",
    "429": "The queue is full.",
}
ALWAYS = {
    "401": "The API key is missing or wrong.",
    "403": "The Host header does not name this machine.",
    "431": "The request has too many headers.",
}
FAULTS = {
    "500": "The engine ended during the answer.",
    "503": "There is no engine now.",
    "504": "There was no answer in time.",
}


def describe() -> dict[str, Any]:
    """Return the description, an OpenAPI 3.1 document."""
    bodies = [(ChatRequest, "validation"), (CompletionRequest, "validation")]
    _, definitions = models_json_schema(bodies, ref_template=REFERENCE)  # type: ignore[arg-type]
    schemas: dict[str, Any] = definitions["$defs"]
    for name in ("ChatRequest", "CompletionRequest"):
        _add_parameters(schemas[name])
    schemas["ChatMessage"]["properties"]["role"] = {"enum": list(ROLES)}
    schemas |= {"Error": ERROR, "Model": MODEL}
    for chat, name in ((True, "ChatCompletion"), (False, "Completion")):
        schemas[name] = _completion(chat)
    return {
        "openapi": "3.1.0",
        "info": {"title": "phi3scaffold serve", "version": phi3scaffold.__version__},
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"key": []}],
        "paths": {
            "/health": {"get": _get("Whether it is ready.", HEALTH, unready=HEALTH)},
            "/metrics": {"get": _get("Numbers for Prometheus.", TEXT, kind="text/plain")},
            "/openapi.json": {"get": _get("This description.", {"type": "object"})},
            "/v1/models": {"get": _get("The models.", _object(object=_one("list"), data=MODELS))},
            "/v1/models/{model}": {"get": _model_path()},
            "/v1/chat/completions": {"post": _post("ChatRequest", "ChatCompletion")},
            "/v1/completions": {"post": _post("CompletionRequest", "Completion")},
        },
    }


def _add_parameters(schema: dict[str, Any]) -> None:
    """Add the parameters that are no fields: without effect, or with a neutral value alone."""
    for name in sorted(HARMLESS):
        schema["properties"][name] = {"description": "Without effect on the answer."}
    for name, values in NEUTRAL.items():
        schema["properties"].setdefault(name, {"enum": [*values, None]})
    schema["additionalProperties"] = {"type": "null"}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": REFERENCE.format(model=name)}


def _one(value: Any) -> dict[str, Any]:
    return {"const": value}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(**properties: Any) -> dict[str, Any]:
    """Return the schema of an object with just these properties, all of them."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


ERROR = _object(
    error=_object(message=TEXT, type=TEXT, param=_or_null(TEXT), code=_or_null(TEXT)),
)
MODEL = _object(
    id=TEXT,
    object=_one("model"),
    created=COUNT,
    owned_by=TEXT,
    form=TEXT,
    adapter=_or_null(TEXT),
    task=TEXT,
    system=_or_null(TEXT),
    context_length=_or_null(COUNT),
    demonstration={"type": "boolean"},
    remark=_or_null(TEXT),
    columns=TEXTS,
    labels=TEXTS,
)
MODELS = {"type": "array", "items": _ref("Model")}
HEALTH = _object(
    status={"enum": ["starting", "ok", "restarting", "down", "draining"]},
    waiting=COUNT,
    running=COUNT,
    restarts=COUNT,
)


def _logprobs() -> dict[str, Any]:
    """Return the schema of an answer's log-probabilities; `labels` is ours, not OpenAI's."""
    token = {"token": TEXT, "logprob": NUMBER, "bytes": {"type": "array", "items": COUNT}}
    position = _object(**token, top_logprobs={"type": "array", "items": _object(**token)})
    found = _object(content={"type": "array", "items": position}, refusal={"type": "null"})
    label = _object(label=TEXT, probability=NUMBER)
    found["properties"]["labels"] = {"type": "array", "items": label}
    return found


def _completion(chat: bool) -> dict[str, Any]:
    """Return the schema of a whole answer."""
    message = _object(role=_one("assistant"), content=TEXT, refusal={"type": "null"})
    content = {"message": message} if chat else {"text": TEXT}
    finish = {"enum": ["stop", "length"]}
    likely = _or_null(_logprobs()) if chat else {"type": "null"}
    choice = _object(index=_one(0), **content, logprobs=likely, finish_reason=finish)
    return _object(
        id=TEXT,
        created=COUNT,
        model=TEXT,
        system_fingerprint=TEXT,
        object=_one("chat.completion" if chat else "text_completion"),
        choices={"type": "array", "items": choice, "minItems": 1, "maxItems": 1},
        usage=_object(prompt_tokens=COUNT, completion_tokens=COUNT, total_tokens=COUNT),
    )


def _content(schema: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    return {kind: {"schema": schema}}


def _errors(texts: dict[str, str]) -> dict[str, Any]:
    return {
        status: {"description": text, "content": _content(_ref("Error"))}
        for status, text in texts.items()
    }


def _get(
    summary: str,
    schema: dict[str, Any],
    *,
    kind: str = "application/json",
    unready: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a path that is read."""
    responses: dict[str, Any] = {"200": {"description": summary, "content": _content(schema, kind)}}
    if unready is not None:
        responses["503"] = {"description": "It is not ready.", "content": _content(unready)}
    return {"summary": summary, "responses": responses | _errors(ALWAYS)}


def _model_path() -> dict[str, Any]:
    path = _get("One model.", _ref("Model"))
    path["parameters"] = [{"name": "model", "in": "path", "required": True, "schema": TEXT}]
    path["responses"] |= _errors({"404": REFUSALS["404"]})
    return path


def _post(body: str, answer: str) -> dict[str, Any]:
    """Return a path that answers a request with text."""
    # OpenAPI 3.1 has no words for a stream of events
    whole = {**_content(_ref(answer)), **_content({}, "text/event-stream")}
    return {
        "summary": "The answer, whole or as server-sent events (stream).",
        "requestBody": {"required": True, "content": _content(_ref(body))},
        "responses": {
            "200": {"description": "The answer.", "content": whole},
            **_errors(REFUSALS | ALWAYS | FAULTS),
        },
    }
