"""Whole conversations, as the makers of models and of training tools write them."""

from __future__ import annotations

import json

from .content import array, jsonl, parquet, question, sentence
from .entry import Entry, Read, Refused, Turns, answer, asked, shown, system, user

LLAMA_FACTORY = "https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md"
AXOLOTL = "https://docs.axolotl.ai/docs/dataset-formats/conversation.html"
TRL = "https://huggingface.co/docs/trl/dataset_formats"
NUMBERS = range(40)


def say(
    role: str, text: str, *, keys: tuple[str, str] = ("role", "content"), **more: object
) -> dict:
    return {keys[0]: role, keys[1]: text, **more}


def told(role: str, text: str, **more: object) -> dict:
    """A turn as ShareGPT writes it."""
    return say(role, text, keys=("from", "value"), **more)


def pair(n: int, users: str = "user", assistants: str = "assistant") -> list[dict]:
    return [say(users, question(n)), say(assistants, sentence(n, 1))]


def plain(n: int, instead: str = "") -> Turns:
    return asked(question(n), sentence(n, 1), instead)


def rounds(n: int) -> Turns:
    """Two questions; both answers are learned."""
    return (*asked(question(n), sentence(n, 1)), *asked(question(n, 2), sentence(n, 3)))


CALL = {"id": "c1", "type": "function", "function": {"name": "stock", "arguments": '{"item": 4}'}}
TOOL = {"type": "function", "function": {"name": "stock", "parameters": {"type": "object"}}}
WITH_CALLS = [
    {
        "messages": [
            say("user", question(n)),
            {"role": "assistant", "tool_calls": [CALL]},
            say("tool", str(n), tool_call_id="c1"),
            say("assistant", sentence(n, 1)),
        ],
        "tools": [TOOL],
    }
    for n in NUMBERS
]
FUNCTION_CALLS = [
    {
        "conversations": [
            told("human", question(n)),
            told("function_call", json.dumps({"name": "stock", "arguments": {"item": n}})),
            told("observation", f"{n} left"),
            told("gpt", sentence(n, 1)),
        ],
        "tools": json.dumps([TOOL["function"]]),
    }
    for n in NUMBERS
]
DETAIL = [{"begin_offset": 0, "end_offset": 5, "train": False}]

ENTRIES = (
    Entry(
        "llama-factory sharegpt with a system column and empty tools",
        LLAMA_FACTORY,
        array(
            [
                {
                    "conversations": [told("human", question(n)), told("gpt", sentence(n, 1))],
                    "system": f"You keep shop {n % 7}.",
                    "tools": "",
                }
                for n in NUMBERS
            ]
        ),
        Read("chat", [plain(n, f"You keep shop {n % 7}.") for n in NUMBERS]),
    ),
    Entry(
        "llama-factory sharegpt whose system column is often empty",
        LLAMA_FACTORY,
        jsonl(
            [
                {
                    "id": f"chat-{n}",
                    "conversations": [
                        told("human", question(n)),
                        told("gpt", sentence(n, 1)),
                        told("human", question(n, 2)),
                        told("gpt", sentence(n, 3)),
                    ],
                    "system": "Speak plainly." if n % 4 == 0 else None,
                }
                for n in NUMBERS
            ]
        ),
        Read(
            "chat",
            [(*([system("Speak plainly.")] if n % 4 == 0 else []), *rounds(n)) for n in NUMBERS],
            {"id": 40},
        ),
    ),
    Entry(
        "llama-factory sharegpt with function calls",
        LLAMA_FACTORY,
        array(FUNCTION_CALLS),
        Refused(("tool", "40 rows", "rows.json"), ("model",)),
    ),
    Entry(
        "llama-factory openai format",
        LLAMA_FACTORY,
        array([{"messages": [say("system", "Be curt."), *pair(n)]} for n in NUMBERS]),
        Read("chat", [plain(n, "Be curt.") for n in NUMBERS]),
    ),
    Entry(
        "axolotl chat_template",
        AXOLOTL,
        jsonl([{"conversations": pair(n)} for n in NUMBERS]),
        Read("chat", [plain(n) for n in NUMBERS]),
    ),
    Entry(
        "axolotl pygmalion: role and value",
        AXOLOTL,
        jsonl(
            [
                {
                    "conversations": [
                        say("human", question(n), keys=("role", "value")),
                        say("bot", sentence(n, 1), keys=("role", "value")),
                    ]
                }
                for n in NUMBERS
            ]
        ),
        Read("chat", [plain(n) for n in NUMBERS]),
    ),
    Entry(
        "axolotl train flags",
        AXOLOTL,
        jsonl(
            [
                {
                    "conversations": [
                        told("system", "You are an assistant.", train=False),
                        told("human", question(n), train=False),
                        told("assistant", sentence(n, 1), train=n % 2 == 0),
                        told("human", question(n, 2), train=False),
                        told("assistant", sentence(n, 3), train=True),
                    ]
                }
                for n in NUMBERS
            ]
        ),
        Read(
            "chat",
            [
                (
                    system("You are an assistant."),
                    user(question(n)),
                    (answer if n % 2 == 0 else shown)(sentence(n, 1)),
                    *asked(question(n, 2), sentence(n, 3)),
                )
                for n in NUMBERS
            ],
        ),
    ),
    Entry(
        "axolotl train_detail, which learns parts of a turn",
        AXOLOTL,
        jsonl(
            [
                {
                    "conversations": [
                        told("human", question(n)),
                        told("assistant", sentence(n, 1), train_detail=DETAIL),
                    ]
                }
                for n in NUMBERS
            ]
        ),
        Refused(("train_detail",)),
    ),
    Entry(
        "trl language modelling, conversational, in parquet",
        TRL,
        parquet([{"messages": pair(n), "source": f"file {n % 3}"} for n in NUMBERS]),
        Read("chat", [plain(n) for n in NUMBERS], {"source": 40}),
    ),
    Entry(
        "trl prompt and completion, conversational, the prompt of several turns",
        TRL,
        jsonl(
            [
                {
                    "prompt": [
                        say("system", "Count the crates."),
                        *pair(n),
                        say("user", question(n, 2)),
                    ],
                    "completion": [say("assistant", sentence(n, 3))],
                }
                for n in NUMBERS
            ]
        ),
        Read(
            "chat",
            [
                (
                    system("Count the crates."),
                    user(question(n)),
                    shown(sentence(n, 1)),
                    *asked(question(n, 2), sentence(n, 3)),
                )
                for n in NUMBERS
            ],
        ),
    ),
    Entry(
        "trl prompt only, conversational",
        TRL,
        jsonl([{"prompt": [say("user", question(n))]} for n in NUMBERS]),
        Refused(("prompt", "answer")),
    ),
    Entry(
        "trl tool calling with a column of tools",
        TRL,
        jsonl(WITH_CALLS),
        Refused(("tool", "40 rows"), ("model",)),
    ),
)
