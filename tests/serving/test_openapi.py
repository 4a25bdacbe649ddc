"""/openapi.json says what the server takes and answers: hundreds of answers are held to it."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from phi3scaffold.serving.openapi import describe
from phi3scaffold.serving.requests import HARMLESS, NEUTRAL, ChatRequest, CompletionRequest
from tests.serving.bad import CHAT, TEXT, requests
from tests.support.server import HELLO, Reply, Server

DESCRIPTION = describe()
PROMPT = {"prompt": "Hello", "max_tokens": 3}


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": DESCRIPTION["components"]})


def check(reply: Reply, method: str, path: str) -> None:
    """The status, the content type and the body are ones that the description has."""
    responses = DESCRIPTION["paths"][path][method.lower()]["responses"]
    assert str(reply.status) in responses, reply.body
    kind = reply.headers["content-type"].partition(";")[0]
    schema = responses[str(reply.status)]["content"][kind]["schema"]
    value = reply.json() if kind == "application/json" else reply.body.decode()
    assert [error.message for error in validator(schema).iter_errors(value)] == []


def test_it_is_served_and_names_every_parameter(server: Server) -> None:
    assert server.ask("GET", "/openapi.json").json() == DESCRIPTION
    for kind in (ChatRequest, CompletionRequest):
        taken = DESCRIPTION["components"]["schemas"][kind.__name__]["properties"]
        assert set(taken) == set(kind.model_fields) | HARMLESS | set(NEUTRAL)


@pytest.mark.parametrize("path", DESCRIPTION["paths"])
def test_every_path_answers_as_described(server: Server, path: str) -> None:
    if "get" in DESCRIPTION["paths"][path]:
        check(server.ask("GET", path.replace("{model}", "proj")), "GET", path)
        return
    for stream in (False, True):
        body = {"messages": HELLO} if path == CHAT else PROMPT
        reply = server.ask("POST", path, {**body, "stream": stream})
        assert reply.status == 200
        check(reply, "POST", path)


def test_no_answer_to_a_bad_request_is_outside_the_description(server: Server) -> None:
    asked = 0
    for bad in requests():
        if bad.path in (CHAT, TEXT) and bad.method == "POST":
            check(server.ask("POST", bad.path, bad.body, bad.headers), "POST", bad.path)
            asked += 1
    assert asked > 200


def test_an_unknown_model_is_described(server: Server) -> None:
    check(server.ask("GET", "/v1/models/none"), "GET", "/v1/models/{model}")


def test_what_it_describes_is_taken_and_what_it_does_not_is_refused(server: Server) -> None:
    body = validator({"$ref": "#/components/schemas/ChatRequest"})
    fine: tuple[dict[str, Any], ...] = (
        {"temperature": 0.5, "n": 1, "stop": ["x"], "user": "me"},
        {"tools": [], "seed": 7},
        {"logprobs": True, "top_logprobs": 2},
    )
    for fields in fine:
        assert body.is_valid({"messages": HELLO, **fields})
        reply = server.chat(**fields)
        assert reply.status == 200
        check(reply, "POST", CHAT)
    for fields in ({"temperature": 3}, {"n": 2}, {"top_k": 5}, {"max_tokens": 0}, {"stop": [""]}):
        assert not body.is_valid({"messages": HELLO, **fields})
        assert server.chat(**fields).status == 400
