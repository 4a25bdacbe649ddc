"""The endpoints: OpenAI's, /health and /metrics; and the chat page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, StreamingResponse

from phi3scaffold.inference.api_error import CLIENT_CLOSED, ApiError
from phi3scaffold.serving import chat as chat_page
from phi3scaffold.serving import openapi
from phi3scaffold.serving.engine_client import EngineClient, PendingRequest
from phi3scaffold.serving.metrics import ServerMetrics
from phi3scaffold.serving.middleware import RequestGuard
from phi3scaffold.serving.requests import ChatRequest, CompletionRequest
from phi3scaffold.serving.responses import CompletionResponse
from phi3scaffold.serving.served_models import ServedModel

Kind = TypeVar("Kind", ChatRequest, CompletionRequest)


def build_app(engine: EngineClient) -> FastAPI:
    """Build the application over an engine that the caller starts."""
    settings = engine.settings
    app = FastAPI(openapi_url=None)
    metrics = ServerMetrics(engine)

    def count(path: str, status: int) -> None:
        known = path if path in paths else "other"
        metrics.requests.labels(known, str(status)).inc()

    app.add_middleware(RequestGuard, settings=settings, count=count)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["*"],  # OpenAI's client in a browser sends a dozen of its own
        )
    _handle_errors(app)
    chat_page.add(app)

    @app.get("/health")
    async def health() -> JSONResponse:
        state = {
            "status": engine.state,
            "waiting": len(engine.waiting),
            "running": int(engine.running is not None),
            "restarts": engine.restarts,
        }
        return JSONResponse(state, 200 if engine.state == "ok" else 503)

    @app.get("/metrics")
    async def prometheus() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/openapi.json")
    async def description() -> dict[str, Any]:
        return openapi.describe()

    @app.get("/v1/models")
    async def every_model() -> dict[str, Any]:
        return {"object": "list", "data": [_model(model, engine) for model in engine.models]}

    @app.get("/v1/models/{model:path}")
    async def one_model(model: str) -> dict[str, Any]:
        return _model(_find_model(model, engine.models), engine)

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        return await answer(await _read(request, ChatRequest), request)

    @app.post("/v1/completions")
    async def completions(request: Request) -> Response:
        return await answer(await _read(request, CompletionRequest), request)

    async def answer(body: ChatRequest | CompletionRequest, request: Request) -> Response:
        model = _find_model(body.model, engine.models)
        engine_request = body.to_request(model.id)
        schema = engine_request.sampling.schema
        if schema is not None and model.has_grammar:
            await engine.grammars.check(model.folder, schema, request.is_disconnected)
        pending = engine.submit(engine_request)
        pending.ended = lambda: _note(pending, request, metrics)
        disconnect = asyncio.create_task(_wait_for_disconnect(request, pending))
        try:
            await pending.started()
            chat = isinstance(body, ChatRequest)
            response = CompletionResponse(pending, model, chat=chat, usage=body.wants_usage)
            if body.stream:
                headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
                stream = response.stream()
                return StreamingResponse(stream, headers=headers, media_type="text/event-stream")
            return JSONResponse(await response.whole())
        except BaseException:
            disconnect.cancel()
            raise

    paths = {getattr(route, "path", "") for route in app.routes}
    return app


async def _read(request: Request, kind: type[Kind]) -> Kind:
    """Return the request's body. FastAPI's own way would accept one without a content type.

    A web page may send such a body to any address without a preflight request, but not
    application/json.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise ApiError(
            415, "The Content-Type must be application/json.", code="unsupported_content_type"
        )
    if request.headers.get("content-encoding", "identity") != "identity":
        raise ApiError(415, "The body must not be compressed.", code="unsupported_encoding")
    try:
        return kind.model_validate_json(await request.body())
    except ClientDisconnect:
        raise ApiError(CLIENT_CLOSED, "The client closed the connection.") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        raise ApiError(400, f"The body: {first['msg']}.", code="invalid_json")
    where = ".".join(map(str, first["loc"]))[:200]
    raise ApiError(
        400, f"{where or 'The body'}: {first['msg']}.", code="invalid_value", param=where or None
    )


async def _wait_for_disconnect(request: Request, pending: PendingRequest) -> None:
    """Free the request's slot as soon as its client closes the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    if not pending.over:
        request.state.status = CLIENT_CLOSED
        pending.cancel()


def _find_model(name: str | None, models: Sequence[ServedModel]) -> ServedModel:
    """Return the model that a request names, else the first. Raises ApiError."""
    for model in models:
        if name in (None, model.id):
            return model
    there = ", ".join(model.id for model in models)
    raise ApiError(
        404,
        f"There is no model {name!r:.100}; there are: {there}.",
        code="model_not_found",
        param="model",
    )


def _model(model: ServedModel, engine: EngineClient) -> dict[str, Any]:
    """Return a model in OpenAI's format, with more fields of our own."""
    return {
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": "phi3scaffold",
        "form": model.form,
        "adapter": model.adapter,
        "task": model.task,
        "system": model.system,
        "context_length": engine.contexts.get(model.id),
        "demonstration": model.demonstration,
        "remark": model.remark,
        "columns": model.columns,
        "labels": model.labels,
    }


def _note(pending: PendingRequest, request: Request, metrics: ServerMetrics) -> None:
    """Note an answer's numbers for the log line and Prometheus; never its text."""
    request.state.note = (
        f" model={pending.request.model} prompt={pending.prompt_tokens} answer={pending.tokens} "
        f"finish={pending.finish} waited={pending.waited:.3f}s"
    )
    metrics.answered(pending, time.monotonic() - pending.created)


def _handle_errors(app: FastAPI) -> None:
    """Answer every error in OpenAI's format."""

    def respond(error: ApiError) -> JSONResponse:
        return JSONResponse(error.body, error.status, error.headers)

    @app.exception_handler(ApiError)
    async def api_error(_request: Request, error: ApiError) -> Response:
        if error.status == CLIENT_CLOSED:
            return Response(status_code=CLIENT_CLOSED)
        return respond(error)

    @app.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> JSONResponse:
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code)
        return respond(ApiError(error.status_code, f"{error.detail}.", code=code))

    @app.exception_handler(Exception)
    async def unexpected(_request: Request, _error: Exception) -> JSONResponse:
        return respond(ApiError(500, "The server failed; see its log.", code="internal"))
