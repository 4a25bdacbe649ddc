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
    # Llama 2, Mistral
    ("<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\n{q} [/INST] {a} </s>", "{q}", "{a}", "Be kind."),
    ("[INST]<<SYS>>Be kind.<</SYS>>{q}[/INST]{a}", "{q}", "{a}", "Be kind."),
    ("[INST] {q}\n<<SYS>>Be kind.<</SYS>> [/INST] {a}", "{q}", "{a}", "Be kind."),
    ("<<SYS>>Be kind.<</SYS>>[INST] {q} [/INST] {a}", "{q}", "{a}", "Be kind."),
    ("<s>[INST] <<SYS>>\n\n<</SYS>>\n\n{q} [/INST] {a}</s>", "{q}", "{a}", None),
    (
        "<s>[SYSTEM_PROMPT] Be kind.[/SYSTEM_PROMPT][INST] {q}[/INST] {a}</s>",
        "{q}",
        "{a}",
        "Be kind.",
    ),
    # Llama 3
    (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe kind.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\n{q}<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n{a}<|eot_id|>",
        "{q}",
        "{a}",
        "Be kind.",
    ),
    # Phi-3, Phi-4, ChatML
    (
        "<s><|system|>\nBe kind.<|end|>\n<|user|>\n{q}<|end|>\n<|assistant|>\n{a}<|end|>\n</s>",
        "{q}",
        "{a}",
        "Be kind.",
    ),
    (
        "<|im_start|>system<|im_sep|>Be kind.<|im_end|><|im_start|>user<|im_sep|>{q}<|im_end|>"
        "<|im_start|>assistant<|im_sep|>{a}<|im_end|>",
        "{q}",
        "{a}",
        "Be kind.",
    ),
    (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n{q}<|im_end|>\n"
        "<|im_start|>assistant\n{a}<|im_end|><|endoftext|>",
        "{q}",
        "{a}",
        "Be kind.",
    ),
    # Gemma, Zephyr
    (
        "<bos><start_of_turn>user\n{q}<end_of_turn>\n<start_of_turn>model\n{a}<end_of_turn><eos>",
        "{q}",
        "{a}",
        None,
    ),
    (
        "<|system|>\nBe kind.</s>\n<|user|>\n{q}</s>\n<|assistant|>\n{a}</s>",
        "{q}",
        "{a}",
        "Be kind.",
    ),
    # Alpaca and its like
    (
        "Below is an instruction that describes a task. Write a response.\n\n"
        "### Instruction:\n{task}\n\n### Input:\n{input}\n\n### Response:\n{output}",
        "{task}\n{input}",
        "{output}",
        "Below is an instruction that describes a task. Write a response.",
    ),
    ("### Instruction: {q}\n### Response: {a}", "{q}", "{a}", None),
    ("### Instruction:\n{q}\n\n### Response:\n{a}\n\n### End", "{q}", "{a}", None),
    ("### Instruction\n{q}\n### Response\n{a}</s>", "{q}", "{a}", None),
    ("### Human: {q}### Assistant: {a}", "{q}", "{a}", None),
    ("### System:\nBe kind.\n\n### User:\n{q}\n\n### Assistant:\n{a}", "{q}", "{a}", "Be kind."),
    ("Be polite. USER: {q} ASSISTANT: {a}</s>", "{q}", "{a}", "Be polite."),
    # a system text may name columns
    ("<|system|>{c}<|user|>{a}<|assistant|>{b}", "{a}", "{b}", "{c}"),
    ("Read: {c}<|user|>{a}<|assistant|>{b}", "{a}", "{b}", "Read: {c}"),
    ("<<SYS>>{s}<</SYS>>[INST] {q} [/INST] {a}", "{q}", "{a}", "{s}"),
    ("Given {c}:\n### Instruction: {q}\n### Response: {a}", "{q}", "{a}", "Given {c}:"),
    # texts of people's own, with no role of a chat in them
    ("### Question: {q} \n### Answer: {a}", "### Question: {q} \n### Answer:", "{a}", None),
    ("The user: {u} wrote {q} -> {a}", "The user: {u} wrote {q} ->", "{a}", None),
    ("[TITLE] {q} [SUMMARY] {a}", "[TITLE] {q} [SUMMARY]", "{a}", None),
    ("Be brief.\n<|user|>{q}<|assistant|>{a}", "{q}", "{a}", "Be brief."),
]
NOT_SPLIT: list[tuple[str, str]] = [
    ("{text}", "fewer than two columns"),
    ("no columns", "fewer than two columns"),
    ("{a} and {b} and {a}", "is in the question too"),
    ("<|user|>{a}<|assistant|>{b}<|user|>{c}<|assistant|>{d}", "several questions"),
    ("<|assistant|>{a}<|user|>{b}", "not a user's and then an assistant's"),
    ("<|user|>{a} {b}<|end|>", "not a user's and then an assistant's"),
    ("<|user|>Hello<|assistant|>{a} {b}", "names no column"),
    ("{a.b} {c}", "more than a column's name"),
    ("{a!r} {c}", "more than a column's name"),
    ("{} {}", "more than a column's name"),
    ("{a} {b", "cannot read it"),
    ("As {{json}}, not {q}: {a}", "look like columns"),
    ("[INST] {q} [/INST] {a} [INST] {b} [/INST] {c}", "several questions"),
    ("<|user|>{q}<|assistant|><|tool_call|>{a}", "<|tool_call|> is a tag".replace("|", "[|]")),
    ("<|prompter|>{q}<|endoftext|><|helper|>{a}", "<|prompter|> is a tag".replace("|", "[|]")),
    ("[INST] {q} {a}", "INST. is a tag"),
]


@pytest.mark.parametrize(("template", "user", "assistant", "system"), SPLIT)
def test_split(template: str, user: str, assistant: str, system: str | None) -> None:
    assert split(template) == (user, assistant, system)


@pytest.mark.parametrize(("template", "why"), NOT_SPLIT)
def test_not_split(template: str, why: str) -> None:
    with pytest.raises(NotSplit, match=why):
        split(template)
