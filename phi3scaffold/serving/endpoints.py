"""The endpoints: OpenAI's, /health and /metrics; and the chat page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, StreamingResponse

from phi3scaffold.inference.api_error import CLIENT_CLOSED, ApiError
from phi3scaffold.serving import chat as chat_page
from phi3scaffold.serving.engine_client import EngineClient, PendingRequest
from phi3scaffold.serving.metrics import CONTENT_TYPE_LATEST, ServerMetrics
from phi3scaffold.serving.middleware import Guard
from phi3scaffold.serving.requests import ChatRequest, CompletionRequest
from phi3scaffold.serving.responses import CompletionResponse
from phi3scaffold.serving.served_models import ServedModel

Kind = TypeVar("Kind", ChatRequest, CompletionRequest)
CODES = {404: "not_found", 405: "method_not_allowed"}


def build(worker: EngineClient) -> FastAPI:
    """The application over a worker that somebody else starts."""
    settings = worker.settings
    app = FastAPI(openapi_url=None)
    metrics = ServerMetrics(worker)

    def counted(path: str, status: int) -> None:
        known = path if path in paths else "other"
        metrics.requests.labels(known, str(status)).inc()

    app.add_middleware(Guard, settings=settings, counted=counted)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["*"],  # OpenAI's client in a browser brings a dozen of its own
        )
    _errors(app)
    chat_page.add(app)

    @app.get("/health")
    async def health() -> JSONResponse:
        found = {
            "status": worker.state,
            "waiting": len(worker.waiting),
            "running": int(worker.running is not None),
            "restarts": worker.restarts,
        }
        return JSONResponse(found, 200 if worker.state == "ok" else 503)

    @app.get("/metrics")
    async def prometheus() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/v1/models")
    async def every_model() -> dict[str, Any]:
        return {"object": "list", "data": [_model(model, worker) for model in worker.models]}

    @app.get("/v1/models/{model:path}")
    async def one_model(model: str) -> dict[str, Any]:
        return _model(_chosen(model, worker.models), worker)

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        return await answer(await _read(request, ChatRequest), request)

    @app.post("/v1/completions")
    async def completions(request: Request) -> Response:
        return await answer(await _read(request, CompletionRequest), request)

    async def answer(asked: ChatRequest | CompletionRequest, request: Request) -> Response:
        model = _chosen(asked.model, worker.models)
        ticket = worker.submit(asked.asked(model.id))
        ticket.ended = lambda: _note(ticket, request, metrics)
        hang_up = asyncio.create_task(_hang_up(request, ticket))
        try:
            await ticket.begun()
            chat = isinstance(asked, ChatRequest)
            whole = CompletionResponse(ticket, model, chat=chat, usage=asked.wants_usage)
            if asked.stream:
                headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
                stream = whole.stream()
                return StreamingResponse(stream, headers=headers, media_type="text/event-stream")
            return JSONResponse(await whole.whole())
        except BaseException:
            hang_up.cancel()
            raise

    paths = {getattr(route, "path", "") for route in app.routes}
    return app


async def _read(request: Request, kind: type[Kind]) -> Kind:
    """The request's body. Not FastAPI's own way, which takes a body of no content type.

    A page of the web may send such a one to any address, without asking first; it may not send
    application/json.
    """
    named = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if named != "application/json":
        raise ApiError(
            415, "The Content-Type has to be application/json.", code="unsupported_content_type"
        )
    if request.headers.get("content-encoding", "identity") != "identity":
        raise ApiError(415, "The body must not be compressed.", code="unsupported_encoding")
    try:
        return kind.model_validate_json(await request.body())
    except ClientDisconnect:
        raise ApiError(CLIENT_CLOSED, "The client hung up.") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        raise ApiError(400, f"The body: {first['msg']}.", code="invalid_json")
    where = ".".join(map(str, first["loc"]))[:200]
    raise ApiError(
        400, f"{where or 'The body'}: {first['msg']}.", code="invalid_value", param=where or None
    )


async def _hang_up(request: Request, ticket: PendingRequest) -> None:
    """Give up the request's place as soon as its client is gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    if not ticket.over:
        request.state.status = CLIENT_CLOSED
        ticket.cancel()


def _chosen(name: str | None, models: Sequence[ServedModel]) -> ServedModel:
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


def _model(model: ServedModel, worker: EngineClient) -> dict[str, Any]:
    """OpenAI's fields, and what else is worth knowing."""
    return {
        "id": model.id,
        "object": "model",
        "created": model.made,
        "owned_by": "phi3scaffold",
        "form": model.form,
        "adapter": model.adapter,
        "task": model.task,
        "system": model.system,
        "context_length": worker.contexts.get(model.id),
        "demonstration": model.demonstration,
        "remark": model.remark,
    }


def _note(ticket: PendingRequest, request: Request, metrics: ServerMetrics) -> None:
    """An answer's numbers, for the log's line and for Prometheus; never its text."""
    request.state.note = (
        f" model={ticket.asked.model} prompt={ticket.prompt_tokens} answer={ticket.tokens} "
        f"finish={ticket.finish} waited={ticket.waited:.3f}s"
    )
    metrics.answered(ticket, time.monotonic() - ticket.created)


def _errors(app: FastAPI) -> None:
    """Every error in OpenAI's format."""

    def told(refused: ApiError) -> JSONResponse:
        return JSONResponse(refused.body, refused.status, refused.headers)

    @app.exception_handler(ApiError)
    async def refused(_request: Request, error: ApiError) -> Response:
        if error.status == CLIENT_CLOSED:
            return Response(status_code=CLIENT_CLOSED)
        return told(error)

    @app.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> JSONResponse:
        code = CODES.get(error.status_code)
        return told(ApiError(error.status_code, f"{error.detail}.", code=code))

    @app.exception_handler(Exception)
    async def unforeseen(_request: Request, _error: Exception) -> JSONResponse:
        return told(ApiError(500, "The server failed; its log tells more.", code="internal"))
