"""The official client, unmodified, gets what it expects."""

from __future__ import annotations

import json
from pathlib import Path

import openai
import pytest

from phi3scaffold.datasets.prepared_rows import HELD_OUT, Prepared
from phi3scaffold.inference.forms import open_form
from phi3scaffold.project.settings import load_project
from tests.support.server import ENDLESS, HELLO, Server

SCHEMA = {
    "type": "object",
    "properties": {"tone": {"enum": ["joy", "fear"]}, "sure": {"type": "boolean"}},
    "required": ["tone", "sure"],
    "additionalProperties": False,
}


def test_the_text_alone_gets_the_answer_that_was_trained(
    client: openai.OpenAI, served_project: Path
) -> None:
    """Held-out rows: the server's answers are `infer`'s, and mostly right."""
    rows = Prepared(served_project / "gen-model" / "data", HELD_OUT)
    right = 0
    with open_form("onnx", load_project(served_project)) as form:
        for row in range(20):
            conversation = rows.conversation(row)
            (phrase,) = conversation.values.values()
            messages = [{"role": "user", "content": phrase}]
            answer = client.chat.completions.create(model="proj", messages=messages)
            said = answer.choices[0].message.content
            ids = form.encode(conversation.messages[:-1])
            assert said == form.decode(form.generate([ids], 6)[0])
            assert answer.usage.prompt_tokens == len(ids)
            right += said == conversation.answer
    assert right >= 17


def test_whole_answer(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="proj", messages=HELLO)
    assert answer.object == "chat.completion"
    assert answer.model == "proj"
    (choice,) = answer.choices
    assert (choice.message.role, choice.message.content) == ("assistant", "joy")
    assert choice.finish_reason == "stop"
    usage = answer.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.completion_tokens == 2


@pytest.mark.parametrize("model", ["proj", "tone", "other"])
def test_a_stream_says_the_same(client: openai.OpenAI, model: str) -> None:
    whole = client.chat.completions.create(model=model, messages=HELLO)
    chunks = list(
        client.chat.completions.create(
            model=model, messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    *told, last = chunks
    assert last.choices == []
    assert last.usage == whole.usage
    assert all(chunk.usage is None for chunk in told)
    assert len({chunk.id for chunk in chunks}) == 1
    assert told[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in told)
    assert text == whole.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in told][-1] == "stop"
    assert {chunk.choices[0].finish_reason for chunk in told[:-1]} == {None}


def test_without_usage_a_stream_has_none(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="proj", messages=HELLO, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


def test_the_clients_stream_helper(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="proj", messages=HELLO) as stream:
        kinds = [event.type for event in stream]
    assert stream.get_final_completion().choices[0].message.content == "joy"
    assert "content.done" in kinds


def test_length(client: openai.OpenAI) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        answer = client.chat.completions.create(model="proj", messages=HELLO, **{name: 1})
        assert answer.choices[0].finish_reason == "length"
        assert answer.usage.completion_tokens == 1


def test_the_context_can_be_filled_to_its_last_token(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="proj", **ENDLESS)
    assert whole.choices[0].finish_reason == "length"
    assert whole.usage.total_tokens == client.models.retrieve("proj").context_length == 1024
    room = whole.usage.completion_tokens
    client.chat.completions.create(model="proj", messages=HELLO, max_tokens=room)
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="proj", messages=HELLO, max_tokens=room + 1)
    assert refused.value.code == "context_length_exceeded"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("begin", [3, 8, 13])
def test_stop(client: openai.OpenAI, begin: int, stream: bool) -> None:
    """The text ends before the first of them, also where it comes in several tokens."""
    asked = {"model": "proj", "prompt": "We were so glad", "max_tokens": 30}
    whole = client.completions.create(**asked).choices[0].text
    assert len(whole) > 30
    stop = whole[begin : begin + 9]
    answer = client.completions.create(**asked, stop=["nowhere", stop, whole[29:]], stream=stream)
    parts = list(answer) if stream else [answer]
    assert "".join(part.choices[0].text for part in parts) == whole[: whole.find(stop)]
    assert parts[-1].choices[0].finish_reason == "stop"
    alone = client.completions.create(**asked, stop=stop)
    assert alone.choices[0].text == whole[: whole.find(stop)]
    assert alone.usage.completion_tokens < 30


def test_a_stop_text_that_never_comes_takes_nothing_away(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="proj", messages=HELLO, stop=["joyful", "y!"])
    assert answer.choices[0].message.content == "joy"


def test_a_seed_decides_the_answer(client: openai.OpenAI) -> None:
    def said(seed: int | None) -> str:
        answer = client.completions.create(
            model="proj", prompt="We", max_tokens=12, temperature=1.5, seed=seed
        )
        return answer.choices[0].text

    seeds = [0, 1, -1, 2**62]
    first = [said(seed) for seed in seeds]
    assert [said(seed) for seed in seeds] == first
    assert len(set(first[:2] + first[3:])) > 1
    assert len({said(None) for _ in range(5)}) > 1


def test_without_a_temperature_answers_are_greedy(client: openai.OpenAI) -> None:
    def said(**options: float) -> str:
        return (
            client.completions.create(model="proj", prompt="We", max_tokens=12, **options)
            .choices[0]
            .text
        )

    assert said() == said(temperature=0) == said(temperature=2, top_p=0) == said(seed=3)
    assert said() == said(temperature=1e-40) == said(temperature=1e-300, top_p=1e-300)
    assert len({said(top_p=0.99) for _ in range(8)}) > 1  # OpenAI's temperature of 1 is meant


def test_json_schema(client: openai.OpenAI) -> None:
    for model in ("proj", "tone"):
        answer = client.chat.completions.create(
            model=model,
            messages=HELLO,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "tone", "strict": True, "schema": SCHEMA},
            },
        )
        found = json.loads(answer.choices[0].message.content)
        assert found["tone"] in ("joy", "fear")
        assert isinstance(found["sure"], bool)
        assert found.keys() == {"tone", "sure"}
        assert answer.choices[0].finish_reason == "stop"


def asked_for(client: openai.OpenAI, schema: dict[str, object]) -> str:
    """The answer to a schema."""
    answer = client.chat.completions.create(
        model="proj",
        messages=HELLO,
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
    )
    assert answer.choices[0].finish_reason == "stop"
    return answer.choices[0].message.content


@pytest.mark.parametrize(
    "constant",
    [
        'She said "yes"',
        "back\\slash, tab\t, line\n",
        "é ü 漢字 🙂",  # beyond the letters of this tokenizer
        "it is <|end|> or </s>",  # a control token's name, as a text
        "a text of more than thirty-one bytes, with no escape in it at all",
        'say "yes" now, please, and wait for me here',  # which llguidance itself would cut
        "first line\nsecond line: (some) [signs] {of} a.regex* \\d+ $ ^ | -, and the end of it\n",
        '"',
    ],
)
def test_a_constant_is_kept_to_the_letter(client: openai.OpenAI, constant: str) -> None:
    assert json.loads(asked_for(client, {"const": constant})) == constant
    named = {
        "type": "object",
        "properties": {constant: {"enum": [constant, 7]}},
        "required": [constant],
        "additionalProperties": False,
    }
    found = json.loads(asked_for(client, named))
    assert found in ({constant: constant}, {constant: 7})


def test_a_tuple_in_the_older_spelling(client: openai.OpenAI) -> None:
    """`items` as a list, which the newest draft has as prefixItems."""
    pair = {"type": "array", "items": [{"const": "a"}, {"enum": [1, 2]}], "minItems": 2}
    assert json.loads(asked_for(client, {**pair, "maxItems": 2})) in (["a", 1], ["a", 2])


def test_an_answer_that_breaks_its_schema_is_an_error(client: openai.OpenAI) -> None:
    """llguidance ends such a constant too early: the answer is JSON, but not what was asked for."""
    constant = 'say "yes" now, please, and wait for me here'
    with pytest.raises(openai.BadRequestError, match="ended early") as error:
        asked_for(client, {"const": {"said": constant}})
    assert error.value.code == "invalid_json_schema"


def test_json_object(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="proj", messages=HELLO, response_format={"type": "json_object"}, max_tokens=100
    )
    assert answer.choices[0].message.content.startswith("{")
    if answer.choices[0].finish_reason == "stop":
        json.loads(answer.choices[0].message.content)


def test_models(client: openai.OpenAI, server: Server) -> None:
    assert [model.id for model in client.models.list()] == ["proj", "tone", "other"]
    assert client.models.retrieve("tone").adapter == "tone"
    with pytest.raises(openai.NotFoundError) as missing:
        client.models.retrieve("gpt-4")
    assert missing.value.code == "model_not_found"
    assert server.chat().json()["model"] == "proj"  # no `model`: the first


def test_a_system_message_takes_the_place_of_the_trained_one(client: openai.OpenAI) -> None:
    """This model was trained with none, so each only adds its own tokens."""

    def tokens(*messages: dict[str, str]) -> int:
        return client.chat.completions.create(model="proj", messages=messages).usage.prompt_tokens

    alone = tokens(*HELLO)
    short = tokens({"role": "system", "content": "Be brief."}, *HELLO)
    assert short > alone
    assert tokens({"role": "developer", "content": "Be brief."}, *HELLO) == short
    parts = [
        {"type": "text", "text": "I could not stop "},
        {"type": "text", "text": "smiling all day."},
    ]
    assert tokens({"role": "user", "content": parts}) == alone
    history = [*HELLO, {"role": "assistant", "content": "joy"}, *HELLO]
    assert tokens(*history) > 2 * alone - 5


def test_what_changes_nothing_is_taken(server: Server) -> None:
    harmless = {
        "user": "me", "metadata": {"a": "b"}, "store": False, "n": 1, "logprobs": False,
        "frequency_penalty": 0, "presence_penalty": 0.0, "logit_bias": {}, "tools": [],
        "tool_choice": "none", "top_logprobs": None, "stop": None, "seed": None,
        "parallel_tool_calls": True, "response_format": {"type": "text"},
    }  # fmt: skip
    reply = server.chat(**harmless)
    assert reply.status == 200, reply.body
    assert reply.json()["choices"][0]["message"]["content"] == "joy"
    text = {"prompt": ["I was"], "best_of": 1, "echo": False, "suffix": None, "max_tokens": 3}
    assert server.ask("POST", "/v1/completions", text).status == 200


def test_prometheus(server: Server, client: openai.OpenAI) -> None:
    before = server.metric('phi3scaffold_tokens_total{kind="answer",model="other"}')
    client.chat.completions.create(model="other", messages=HELLO)
    assert server.metric('phi3scaffold_tokens_total{kind="answer",model="other"}') == before + 2
    assert server.metric("phi3scaffold_engine_up") == 1
    assert server.metric("phi3scaffold_queue_seconds_count") > 0


def test_the_first_token_of_a_whole_answer_is_not_its_last(server: Server) -> None:
    names = [f"phi3scaffold_{name}_seconds_sum" for name in ("first_token", "request")]
    before = [server.metric(name) for name in names]
    assert server.chat(**ENDLESS, max_tokens=150).status == 200
    first, whole = (server.metric(name) - old for name, old in zip(names, before, strict=True))
    assert 0 < first < whole / 2
