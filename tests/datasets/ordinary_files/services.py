"""Whole conversations, as the services that fine-tune models want them."""

from __future__ import annotations

import json

from .content import jsonl, parquet, phrase, question, sentence
from .conversations import CALL, NUMBERS, TOOL, pair, plain, rounds, say
from .entry import Entry, Read, Refused, asked, shown, system, user

OPENAI = "https://platform.openai.com/docs/guides/supervised-fine-tuning"
OPENAI_TOOLS = "https://learn.microsoft.com/azure/ai-services/openai/how-to/fine-tuning-functions"
VERTEX = (
    "https://cloud.google.com/vertex-ai/generative-ai/docs/models/gemini-supervised-tuning-prepare"
)
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/chart.png"}}

ENTRIES = (
    Entry(
        "openai weights",
        OPENAI,
        jsonl(
            [
                {
                    "messages": [
                        say("system", "Stay friendly."),
                        say("user", question(n)),
                        say("assistant", sentence(n, 1), weight=0),
                        say("user", question(n, 2)),
                        say("assistant", sentence(n, 3), weight=1),
                    ]
                }
                for n in NUMBERS
            ]
        ),
        Read(
            "chat",
            [
                (
                    system("Stay friendly."),
                    user(question(n)),
                    shown(sentence(n, 1)),
                    *asked(question(n, 2), sentence(n, 3)),
                )
                for n in NUMBERS
            ],
        ),
    ),
    Entry(
        "openai weights, one row in which nothing is learned",
        OPENAI,
        jsonl(
            [
                {
                    "messages": [
                        say("user", question(n)),
                        say("assistant", sentence(n, 1), weight=0 if n == 17 else 1),
                    ]
                }
                for n in NUMBERS
            ]
        ),
        Read("chat", ["no turn that is learned" if n == 17 else plain(n) for n in NUMBERS]),
    ),
    Entry(
        "openai tool calls that end a conversation, among others without",
        OPENAI_TOOLS,
        jsonl(
            [
                {
                    "messages": [
                        say("user", question(n)),
                        {"role": "assistant", "content": None, "tool_calls": [CALL]}
                        if n % 4 == 3
                        else say("assistant", sentence(n, 1)),
                    ],
                    "parallel_tool_calls": False,
                    "tools": [TOOL],
                }
                for n in NUMBERS
            ]
        ),
        Refused(("tool", "rows.jsonl"), ("model",)),
    ),
    Entry(
        "openai developer role, user content in parts",
        OPENAI,
        jsonl(
            [
                {
                    "messages": [
                        say("developer", "Answer in one line."),
                        {
                            "role": "user",
                            "content": [
                                {"type": "text", "text": f"{question(n)}\n"},
                                {"type": "text", "text": "Yes or no?"},
                            ],
                        },
                        say("assistant", sentence(n, 1)),
                    ]
                }
                for n in NUMBERS
            ]
        ),
        Read(
            "chat",
            [
                asked(f"{question(n)}\nYes or no?", sentence(n, 1), "Answer in one line.")
                for n in NUMBERS
            ],
        ),
    ),
    Entry(
        "openai vision fine-tuning, one image among forty rows",
        "https://platform.openai.com/docs/guides/vision-fine-tuning",
        jsonl(
            [
                {
                    "messages": [
                        {
                            "role": "user",
                            "content": [
                                {"type": "text", "text": question(n)},
                                *([IMAGE] if n == 23 else []),
                            ],
                        },
                        say("assistant", sentence(n, 1)),
                    ]
                }
                for n in NUMBERS
            ]
        ),
        Refused(("image_url", "rows.jsonl:24")),
    ),
    Entry(
        "openai participants with a name",
        "https://platform.openai.com/docs/api-reference/chat/create",
        jsonl(
            [
                {
                    "messages": [
                        say("user", question(n), name=f"guest_{n % 3}"),
                        say("assistant", sentence(n, 1)),
                    ]
                }
                for n in NUMBERS
            ]
        ),
        Read("chat", [plain(n) for n in NUMBERS], {"name": 40}),
    ),
    Entry(
        "azure, which asks for a byte order mark",
        "https://learn.microsoft.com/azure/ai-services/openai/how-to/fine-tuning",
        jsonl(
            [{"messages": [say("system", "You route mail."), *pair(n)]} for n in NUMBERS], bom=True
        ),
        Read("chat", [plain(n, "You route mail.") for n in NUMBERS]),
    ),
    Entry(
        "vertex gemini, two rounds",
        VERTEX,
        jsonl(
            [
                {
                    "systemInstruction": {"role": "system", "parts": [{"text": "You sell maps."}]},
                    "contents": [
                        {"role": "user", "parts": [{"text": question(n)}]},
                        {"role": "model", "parts": [{"text": sentence(n, 1)}]},
                        {"role": "user", "parts": [{"text": question(n, 2)}]},
                        {"role": "model", "parts": [{"text": sentence(n, 3)}]},
                    ],
                }
                for n in NUMBERS
            ]
        ),
        Read("chat", [(system("You sell maps."), *rounds(n)) for n in NUMBERS]),
    ),
    Entry(
        "vertex gemini with a picture",
        VERTEX,
        jsonl(
            [
                {
                    "contents": [
                        {
                            "role": "user",
                            "parts": [
                                {"fileData": {"mimeType": "image/png", "fileUri": "gs://b/a.png"}},
                                {"text": question(n)},
                            ],
                        },
                        {"role": "model", "parts": [{"text": sentence(n, 1)}]},
                    ]
                }
                for n in NUMBERS
            ]
        ),
        Refused(("filedata", "rows.jsonl:1")),
    ),
    Entry(
        "mistral: a weight on one answer only",
        "https://github.com/mistralai/mistral-finetune",
        jsonl(
            [
                {
                    "messages": [
                        say("user", question(n)),
                        say("assistant", sentence(n, 1), weight=0),
                        say("user", question(n, 2)),
                        say("assistant", sentence(n, 3)),
                    ]
                }
                for n in NUMBERS
            ]
        ),
        Read(
            "chat",
            [
                (user(question(n)), shown(sentence(n, 1)), *asked(question(n, 2), sentence(n, 3)))
                for n in NUMBERS
            ],
        ),
    ),
    Entry(
        "cohere: System, User, Chatbot",
        "https://docs.cohere.com/docs/chat-preparing-the-data",
        jsonl([{"messages": [say("System", "Hi."), *pair(n, "User", "Chatbot")]} for n in NUMBERS]),
        Read("chat", [plain(n, "Hi.") for n in NUMBERS]),
    ),
    Entry(
        "ultrachat: the prompt beside the messages, in parquet",
        "https://huggingface.co/datasets/HuggingFaceH4/ultrachat_200k",
        parquet(
            [
                {"prompt": question(n), "prompt_id": phrase(n, 9)[:12], "messages": pair(n)}
                for n in NUMBERS
            ]
        ),
        Read("chat", [plain(n) for n in NUMBERS], {"prompt": 40, "prompt_id": 40}),
    ),
    Entry(
        "bedrock: the system text beside the messages",
        "https://docs.aws.amazon.com/bedrock/latest/userguide/model-customization-prepare.html",
        jsonl([{"system": f"Town {n % 5}.", "messages": pair(n)} for n in NUMBERS]),
        Read("chat", [plain(n, f"Town {n % 5}.") for n in NUMBERS]),
    ),
    Entry(
        "messages as text of JSON in parquet",
        "https://discuss.huggingface.co/t/nested-columns-to-csv/15345",
        parquet([{"messages": json.dumps(pair(n))} for n in NUMBERS]),
        Read("chat", [plain(n) for n in NUMBERS]),
    ),
)
