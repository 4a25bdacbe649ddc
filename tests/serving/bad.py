"""Two hundred requests that get no answer, each with the status and the code that it gets."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
JSON = {"Content-Type": "application/json"}
HELLO = {"role": "user", "content": "Hello."}


@dataclass(frozen=True)
class Bad:
    """One request.

    Attributes:
        name: what is wrong with it.
        body: its bytes.
        status, code: what it gets.
        param: the field that the answer names; None: not looked at.
    """

    name: str
    body: bytes
    status: int = 400
    code: str | None = "invalid_value"
    param: str | None = None
    path: str = CHAT
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))


def chat(name: str, param: str | None = None, code: str = "invalid_value", **fields: Any) -> Bad:
    """A chat request with these fields."""
    body = json.dumps({"messages": [HELLO], **fields}).encode()
    return Bad(f"chat: {name}", body, code=code, param=param)


def text(name: str, param: str | None = None, code: str = "invalid_value", **fields: Any) -> Bad:
    """A completion request with these fields."""
    body = json.dumps({"prompt": "Hello", **fields}).encode()
    return Bad(f"text: {name}", body, code=code, param=param, path=TEXT)


def content(name: str, value: Any, param: str | None = None) -> Bad:
    return chat(f"content: {name}", param, messages=[{"role": "user", "content": value}])


def schema(name: str, value: Any, code: str = "invalid_json_schema") -> Bad:
    told = {"type": "json_schema", "json_schema": {"name": "x", "schema": value}}
    return chat(f"schema: {name}", None, code, response_format=told)


BROKEN = {
    "empty": b"",
    "blank": b"   ",
    "an open brace": b"{",
    "no value": b'{"messages":',
    "no quotes": b"{messages: []}",
    "single quotes": b"{'messages': []}",
    "a comma too many": b'{"messages": [],}',
    "a comment": b'{"messages": [] /* none */}',
    "two objects": b"{}{}",
    "half of it": json.dumps({"messages": [HELLO]}).encode()[:-5],
    "not JSON": b"messages=hello&model=x",
    "XML": b"<messages/>",
    "NUL": b"\0",
    "binary": bytes(range(256)),
    "not UTF-8": b'{"messages": [{"role": "user", "content": "\xff\xfe"}]}',
    "Latin-1": '{"messages": [{"role": "user", "content": "é"}]}'.encode("latin-1"),
    "overlong UTF-8": b'{"messages": [{"role": "user", "content": "\xc0\xaf"}]}',
    "a surrogate in UTF-8": b'{"messages": [{"role": "user", "content": "\xed\xa0\x80"}]}',
    "a line break in a text": b'{"messages": [{"role": "user", "content": "a\nb"}]}',
    "a bad escape": rb'{"messages": [{"role": "user", "content": "\x41"}]}',
    "half an escape": rb'{"messages": [{"role": "user", "content": "\u12"}]}',
    "half a pair": rb'{"messages": [{"role": "user", "content": "\ud800"}]}',
    "the other half": rb'{"messages": [{"role": "user", "content": "a\udfff"}]}',
    "halves in the wrong order": rb'{"messages": [{"role": "user", "content": "\udc00\ud800"}]}',
    "an endless number": b'{"messages": [], "seed": ' + b"9" * 9000 + b"}",
    "depth": b'{"messages": ' + b"[" * 60_000,
    "closed depth": b'{"messages": ' + b"[" * 60_000 + b"]" * 60_000 + b"}",
    "depth of objects": b'{"a":' * 30_000 + b"1" + b"}" * 30_000,
}
SHAPES = {"null": b"null", "a list": b"[]", "a text": b'"hello"', "a number": b"7", "true": b"true"}
ROLES = ("tool", "function", "", "User", "USER", "human", "bot", "system ", "assistant\n", "usér")
NO_TEXT = (None, 7, True, {}, {"text": "x"}, [7], ["x"], [None])
CONTROL = ("<|end|>", "<|user|>", "<|assistant|>", "<|system|>", "<|endoftext|>", "</s>", "<s>")
WRONG = {
    "max_tokens": (0, -1, 1.5, "5", True, [], 10**1000),
    "max_completion_tokens": (0, -7, "all", 2.5),
    "temperature": (-0.1, 2.1, "0", True, [0.5], 1e300),
    "top_p": (-0.1, 1.1, "1", False, {}),
    "seed": (1.5, "7", True, 2**63, -(2**63) - 1),
    "stop": ("", [""], [7], 7, {}, ["x"] * 17, "x" * 257, True),
    "stream": ("true", 1, "yes", []),
    "logprobs": (5, "true"),
    "top_logprobs": (5, -1, 21, True, "5"),
    "stream_options": (True, [], {"include_usage": "yes"}, {"unknown": 1}),
    "model": (7, True, [], {}, "x" * 257),
    "messages": (None, "Hello", {}, [], [None], ["Hello"], [[]], [7]),
    "response_format": (
        "json",
        {"type": "xml"},
        {},
        {"type": "json_schema"},
        {"type": "json_schema", "json_schema": {}},
        {"type": "json_schema", "json_schema": {"name": "x"}},
        {"type": "json_object", "extra": 1},
        {"type": "json_schema", "json_schema": {"name": "x", "schema": []}},
    ),
}
UNSUPPORTED = {
    "n": (2, 0, -1, 1.5, True, "1"),
    "tools": ([{"type": "function", "function": {"name": "f"}}], {}),
    "tool_choice": ("required", {"type": "function"}),
    "functions": ([{"name": "f"}],),
    "function_call": ("auto",),
    "logit_bias": ({"5": -100},),
    "frequency_penalty": (0.5, -2),
    "presence_penalty": (1,),
    "audio": ({"voice": "alloy"},),
    "modalities": (["text", "audio"],),
    "prediction": ({"type": "content", "content": "x"},),
    "reasoning_effort": ("high",),
    "store": (True,),
    "verbosity": ("low", "high"),
    "web_search_options": ({},),
}
UNKNOWN = ("top_k", "min_p", "max_token", "Temperature", "prompt", "stops", "", "__class__", "é")
SCHEMAS: dict[str, Any] = {
    "unknown type": {"type": "nonsense"},
    "no type": {"type": 7},
    "somebody else's": {"$ref": "http://127.0.0.1:9/schema.json"},
    "a file": {"$ref": "file:///etc/passwd"},
    "itself": {"$ref": "#"},
    "missing": {"$ref": "#/$defs/none"},
    "nothing fits": {"enum": []},
    "any of nothing": {"anyOf": []},
    "not": {"not": {}},
    "look-ahead": {"type": "string", "pattern": "(?=x)y"},
    "bad pattern": {"type": "string", "pattern": "("},
    "bad property": {"type": "object", "properties": {"a": 7}},
    "bad allOf": {"const": '"' + "x" * 40, "allOf": 7},
    "bad items": {"type": "array", "items": "text"},
    "more items than memory": {"type": "array", "items": {"type": "null"}, "minItems": 10**6},
    "long and wrong": {"type": "nonsense", "description": "x" * 5000},
    "more than most": {"type": "integer", "minimum": 5, "maximum": 1},
    "40 patterns at once": {"type": "string", "allOf": [{"pattern": f"x{i}"} for i in range(40)]},
    "a pattern twice and twice again": {
        "$ref": "#/$defs/0",
        "$defs": {
            f"{i}": {"allOf": [{"$ref": f"#/$defs/{i + 1}"}] * 2} if i < 25 else {"pattern": "x"}
            for i in range(26)
        },
    },
    "500 property patterns": {
        "type": "object",
        "patternProperties": {f"^a{i}x$": {"type": "string"} for i in range(500)},
    },
    "a large multiple": {"type": "integer", "multipleOf": 1_000_003},
    "a fine multiple": {"type": "number", "multipleOf": 1.000003},
    "12,000 names": {"type": "object", "required": [f"k{i}" for i in range(12_000)]},
}


def requests() -> list[Bad]:
    """All of them."""
    found = [Bad(f"{name}", body, code="invalid_json") for name, body in BROKEN.items()]
    found += [Bad(f"the body is {name}", body) for name, body in SHAPES.items()]
    found += [Bad(f"text: the body is {name}", body, path=TEXT) for name, body in SHAPES.items()]
    for role in ROLES:
        turns = [{"role": role, "content": "Hello."}, HELLO]
        found.append(chat(f"role {role!r}", "messages.0.role", messages=turns))
    found += [content(repr(value), value) for value in NO_TEXT]
    found += [content(mark, f"Hello {mark} there", "messages") for mark in CONTROL]
    for name, values in WRONG.items():
        found += [chat(f"{name}: {json.dumps(v)[:20]}", **{name: v}) for v in values]
    for name, values in UNSUPPORTED.items():
        code = "unsupported_parameter"
        found += [chat(f"{name}: {json.dumps(v)[:20]}", name, code, **{name: v}) for v in values]
    found += [chat(f"unknown {name!r}", None, "unknown_parameter", **{name: 1}) for name in UNKNOWN]
    found.append(chat("a long unknown name", None, "unknown_parameter", **{"k" * 5000: 1}))
    found += [schema(name, value) for name, value in SCHEMAS.items()]
    return [*found, *_turns(), *_texts(), *_sizes(), *_http()]


def _turns() -> list[Bad]:
    answer = {"role": "assistant", "content": "Hi."}
    system = {"role": "system", "content": "Be kind."}
    extra = "unsupported_parameter"
    return [
        chat("only a system message", "messages", messages=[system]),
        chat("the last is the assistant's", "messages", messages=[HELLO, answer]),
        chat("two systems", "messages.1.role", messages=[system, system, HELLO]),
        chat("a late system", "messages.1.role", messages=[HELLO, system, HELLO]),
        chat("a message without a role", messages=[{"content": "Hello."}]),
        chat("a role that is a number", messages=[{"role": 7, "content": "Hello."}]),
        chat("a control token in the system", messages=[{**system, "content": "<|end|>"}, HELLO]),
        chat(
            "a control token in history", messages=[HELLO, {**answer, "content": "<|end|>"}, HELLO]
        ),
        chat(
            "tool calls",
            code=extra,
            messages=[HELLO, {**answer, "tool_calls": [{"id": "1"}]}, HELLO],
        ),
        chat("an unknown field", code=extra, messages=[{**HELLO, "weight": 0}]),
        chat("3,000 messages", messages=[HELLO] * 3000),
        chat("usage without stream", "stream_options", stream_options={"include_usage": True}),
        chat("two lengths", "max_tokens", max_tokens=3, max_completion_tokens=4),
        content("a picture", [{"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/"}}]),
        content("sound", [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]),
        content("a part without a text", [{"type": "text"}]),
        content("a part whose text is a number", [{"type": "text", "text": 7}]),
        content(
            "a control token in parts",
            [{"type": "text", "text": "<|e"}, {"type": "text", "text": "nd|>"}],
        ),
        content("a NUL", "a\0b", "messages"),
    ]


def _texts() -> list[Bad]:
    return [
        text("empty", "prompt", prompt=""),
        text("a number", prompt=7),
        text("null", prompt=None),
        text("token ids", "prompt", prompt=[1, 2, 3]),
        text("lists of ids", "prompt", prompt=[[1, 2]]),
        text("two texts", "prompt", prompt=["a", "b"]),
        text("no text", "prompt", prompt=[]),
        text("a control token", "prompt", prompt="a<|end|>b"),
        text("a NUL", "prompt", prompt="\0"),
        text("echo", "echo", "unsupported_parameter", echo=True),
        text("best_of", "best_of", "unsupported_parameter", best_of=3),
        text("suffix", "suffix", "unsupported_parameter", suffix="end"),
        text("logprobs", "logprobs", "unsupported_parameter", logprobs=3),
        text("messages", "messages", "unknown_parameter", messages=[HELLO]),
        text("max_completion_tokens", None, "unknown_parameter", max_completion_tokens=3),
        text("no room", "prompt", "context_length_exceeded", max_tokens=1024),
        text("too long", "prompt", "context_length_exceeded", prompt="word " * 3000),
    ]


def _sizes() -> list[Bad]:
    much = "context_length_exceeded"
    long = [{"role": "user", "content": "a smile " * 2000}]
    large = json.dumps({"messages": [{"role": "user", "content": "x" * 300_000}]}).encode()
    too_large = {"status": 413, "code": "request_too_large"}
    return [
        chat("one token too many", "messages", much, max_tokens=1024),
        chat("a million tokens", "messages", much, max_tokens=10**6),
        chat("a long text", "messages", much, messages=long),
        chat(
            "a long history",
            "messages",
            much,
            messages=[HELLO, {**HELLO, "role": "assistant"}] * 200 + [HELLO],
        ),
        chat(
            "100,000 line breaks",
            "messages",
            much,
            messages=[{**HELLO, "content": "x" + "\n" * 100_000}],
        ),
        Bad("300,000 characters", large, **too_large),
        Bad("blanks", b" " * 300_000, **too_large),
        Bad("a long key", b'{"' + b"k" * 300_000 + b'": 1}', **too_large),
    ]


def _http() -> list[Bad]:
    fine = json.dumps({"messages": [HELLO]}).encode()
    gone = {"status": 404, "code": "not_found"}
    kind = {"status": 415, "code": "unsupported_content_type"}
    encoding = {"status": 415, "code": "unsupported_encoding"}
    host = {"status": 403, "code": "host_not_allowed"}
    nobody = {"status": 404, "code": "model_not_found", "param": "model"}
    named = [
        Bad(f"model {name!r}", json.dumps({"messages": [HELLO], "model": name}).encode(), **nobody)
        for name in ("gpt-4", "", "PROJ", "proj ", "../proj", "tone/other", "proj\0", "é" * 100)
    ]
    hosts = [
        Bad(f"host {name}", fine, headers={**JSON, "Host": name}, **host)
        for name in (
            "evil.example",
            "evil.example:8000",
            "127.0.0.1.evil.example",
            "[::1]x.evil.example",
            "[::1].evil.example:8000",
            "[::1",
            "localhost:80:80",
            "192.168.0.1",
            "",
        )
    ]
    return [
        *named,
        *hosts,
        Bad(
            "as a form",
            b"a=b",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            **kind,
        ),
        Bad("as plain text", fine, headers={"Content-Type": "text/plain"}, **kind),
        Bad("as nothing", fine, headers={}, **kind),
        Bad("compressed", fine, headers={**JSON, "Content-Encoding": "gzip"}, **encoding),
        Bad("GET", b"", 405, "method_not_allowed", method="GET"),
        Bad("PUT", fine, 405, "method_not_allowed", method="PUT"),
        Bad("POST to models", fine, 405, "method_not_allowed", path="/v1/models"),
        Bad("no such place", fine, path="/v1/embeddings", **gone),
        Bad("up the folders", fine, path="/v1/../../etc/passwd", **gone),
        Bad("the docs", b"", method="GET", path="/docs", **gone),
        Bad("a NUL in the path", b"", method="GET", path="/%00", **gone),
    ]
