"""text_template -> a user turn and an assistant turn, or why not."""

from __future__ import annotations

import pytest

from phi3scaffold.migration.template_turns import NotSplit, split

# template, user, assistant, system
SPLIT: list[tuple[str, str, str, str | None]] = [
    (
        "### Text: {phrase}\n### The tone is:\n{tone}",
        "### Text: {phrase}\n### The tone is:",
        "{tone}",
        None,
    ),
    (
        "<|user|>\n{Question}<|end|>\n<|assistant|>\n{Best Answer}\n<|end|>",
        "{Question}",
        "{Best Answer}",
        None,
    ),
    (
        "<|system|>\nBe kind.<|end|>\n<|user|>\n{q}<|end|>\n<|assistant|>\n{a}<|end|>",
        "{q}",
        "{a}",
        "Be kind.",
    ),
    ("<s>[INST] {q} [/INST] {a}</s>", "{q}", "{a}", None),
    ("<|im_start|>user\n{q}<|im_end|>\n<|im_start|>assistant\n{a}<|im_end|>", "{q}", "{a}", None),
    ("{instruction}\n{input}\n{output}", "{instruction}\n{input}", "{output}", None),
    ("<|user|>{q}<|end|><|assistant|>Answer: {a}.<|end|>", "{q}", "Answer: {a}.", None),
    (
        "<|user|>\n{ASK}<|end|>\n<|assistant|>\n{SAY}\n( source : {FROM})<|end|>",
        "{ASK}",
        "{SAY}\n( source : {FROM})",
        None,
    ),
    ("{q} {q} {a}!", "{q} {q}", "{a}!", None),
    ('{{"q": "{q}"}} -> {a}', '{"q": "{q}"} ->', "{a}", None),
    ("<|endoftext|>{q} -> {a}<|endoftext|>", "{q} ->", "{a}", None),
]
NOT_SPLIT: list[tuple[str, str]] = [
    ("{text}", "fewer than two columns"),
    ("no columns", "fewer than two columns"),
    ("{a} and {b} and {a}", "is in the question too"),
    ("<|user|>{a}<|assistant|>{b}<|user|>{c}<|assistant|>{d}", "several questions"),
    ("<|assistant|>{a}<|user|>{b}", "not a user's and then an assistant's"),
    ("<|user|>{a} {b}<|end|>", "not a user's and then an assistant's"),
    ("Read: {c}<|user|>{a}<|assistant|>{b}", "not a user's and then an assistant's"),
    ("<|system|>{c}<|user|>{a}<|assistant|>{b}", "its system text names a column"),
    ("<|user|>Hello<|assistant|>{a} {b}", "names no column"),
    ("{a.b} {c}", "more than a column's name"),
    ("{a!r} {c}", "more than a column's name"),
    ("{} {}", "more than a column's name"),
    ("{a} {b", "cannot read it"),
    ("As {{json}}, not {q}: {a}", "look like columns"),
]


@pytest.mark.parametrize(("template", "user", "assistant", "system"), SPLIT)
def test_split(template: str, user: str, assistant: str, system: str | None) -> None:
    assert split(template) == (user, assistant, system)


@pytest.mark.parametrize(("template", "why"), NOT_SPLIT)
def test_not_split(template: str, why: str) -> None:
    with pytest.raises(NotSplit, match=why):
        split(template)
