"""Log-probabilities over HTTP: of the answer's tokens, and calibrated ones of the labels."""

from __future__ import annotations

import math

import openai
import pytest

from tests.support.server import HELLO, Server


def test_the_tokens_of_an_answer(client: openai.OpenAI) -> None:
    asked = {"model": "proj", "messages": HELLO, "logprobs": True, "top_logprobs": 3}
    choice = client.chat.completions.create(**asked).choices[0]
    assert choice.logprobs and choice.logprobs.content
    found = choice.logprobs.content
    assert "".join(one.token for one in found) == choice.message.content
    for one in found:
        assert bytes(one.bytes or []).decode() == one.token and one.logprob <= 0
        assert len(one.top_logprobs) == 3
        assert one.top_logprobs[0].logprob == pytest.approx(one.logprob, abs=1e-3)  # greedy
    labels = choice.logprobs.labels  # type: ignore[attr-defined]
    assert labels[0]["label"] == choice.message.content
    assert sum(one["probability"] for one in labels) == pytest.approx(1)
    whole = math.exp(sum(one.logprob for one in found))
    assert labels[0]["probability"] > 0.5 and whole > 0.5


def test_a_stream_has_them_at_its_end(client: openai.OpenAI) -> None:
    asked = {"model": "proj", "messages": HELLO, "logprobs": True}
    whole = client.chat.completions.create(**asked).choices[0]
    chunks = list(client.chat.completions.create(stream=True, **asked))
    ends = [chunk.choices[0].logprobs for chunk in chunks if chunk.choices[0].logprobs]
    found = [one for end in ends for one in end.content]
    assert [one.token for one in found] == [one.token for one in whole.logprobs.content]
    assert chunks[-1].choices[0].logprobs.labels == whole.logprobs.labels


def test_only_answers_as_they_were_evaluated_have_labels(client: openai.OpenAI) -> None:
    other = [{"role": "system", "content": "Be brief."}, *HELLO]
    for extra in ({"temperature": 1, "seed": 3}, {"stop": "z"}, {"messages": other}):
        asked = {"model": "proj", "messages": HELLO, "logprobs": True, **extra}
        found = client.chat.completions.create(**asked).choices[0].logprobs
        assert found is not None and not hasattr(found, "labels")
    plain = client.chat.completions.create(model="proj", messages=HELLO).choices[0]
    assert plain.logprobs is None


@pytest.mark.parametrize(
    "extra", [{"top_logprobs": 2}, {"logprobs": True, "top_logprobs": 21}, {"logprobs": 3}]
)
def test_what_is_asked_wrongly_is_refused(server: Server, extra: dict) -> None:
    reply = server.chat(**extra)
    assert reply.status == 400 and "logprobs" in str(reply.json())


def test_models_say_their_columns_and_labels(client: openai.OpenAI) -> None:
    model = client.models.retrieve("proj")
    assert model.columns == ["phrase"]  # type: ignore[attr-defined]
    assert "joy" in model.labels  # type: ignore[attr-defined]
