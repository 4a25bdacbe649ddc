"""Conversations that people reported elsewhere because a tool learned the wrong turns."""

from __future__ import annotations

from .content import jsonl, table
from .conversations import NUMBERS, say, told
from .entry import Entry, Read, Refused, asked, labelled, shown, system, user
from .reported import CALL, EIGHTY, SHORT, chats, note, notes, tone, with_call

AGENT = "https://github.com/hiyouga/LLaMA-Factory/issues/2571"
FOUNDRY = "https://github.com/microsoft-foundry/fine-tuning/issues/23"
BAD_AND_GOOD = [(user(f"Q {n}"), shown(f"BAD {n}"), *asked(f"R {n}", f"GOOD {n}")) for n in NUMBERS]

ENTRIES = (
    Entry(
        "a text before a tool call",
        FOUNDRY,
        jsonl(with_call("Let me look it up.", tools=[{"function": {"name": "price"}}])),
        Refused(("tool", "40 rows"), ("model",)),
    ),
    Entry(
        "a last turn that is a tool call alone",
        FOUNDRY,
        jsonl(with_call(None, tools=[])),
        Refused(("tool", "40 rows"), ("model",)),
    ),
    Entry(
        "tool calls in every second row",
        FOUNDRY,
        jsonl(
            [
                {
                    "messages": [
                        say("user", f"Price of item {n}?"),
                        {"role": "assistant", "content": None, "tool_calls": [CALL]}
                        if n % 2
                        else say("assistant", f"It costs {n}."),
                    ]
                }
                for n in NUMBERS
            ]
        ),
        Refused(("tool", "20 rows"), ("model",)),
    ),
    Entry(
        "loss of a turn",
        AGENT,
        jsonl(
            [
                {
                    "conversations": [
                        told("human", f"Q {n}", loss=None),
                        told("gpt", f"BAD {n}", loss=False),
                        told("human", f"R {n}", loss=None),
                        told("gpt", f"GOOD {n}", loss=True),
                    ]
                }
                for n in NUMBERS
            ]
        ),
        Read("chat", BAD_AND_GOOD),
    ),
    Entry(
        "train of a turn",
        "https://docs.axolotl.ai/docs/dataset-formats/conversation.html",
        jsonl(
            [
                {
                    "messages": [
                        say("user", f"Q {n}"),
                        say("assistant", f"BAD {n}", train=False),
                        say("user", f"R {n}"),
                        say("assistant", f"GOOD {n}", train=True),
                    ]
                }
                for n in NUMBERS
            ]
        ),
        Read("chat", BAD_AND_GOOD),
    ),
    Entry(
        "prompt and completion as lists of messages",
        "https://github.com/huggingface/trl/issues/4147",
        jsonl(
            [
                {
                    "prompt": [say("user", f"Q {n}")],
                    "completion": [say("assistant", f"A {n}")],
                }
                for n in NUMBERS
            ]
        ),
        Read("chat", SHORT),
    ),
    Entry(
        "content as a list of text parts",
        "https://platform.openai.com/docs/guides/supervised-fine-tuning",
        jsonl(
            [
                {
                    "messages": [
                        {"role": "user", "content": [{"type": "text", "text": f"Question {n}"}]},
                        {"role": "assistant", "content": [{"type": "text", "text": f"Answer {n}"}]},
                    ]
                }
                for n in NUMBERS
            ]
        ),
        Read("chat", [asked(f"Question {n}", f"Answer {n}") for n in NUMBERS]),
    ),
    Entry(
        "content with an image",
        "https://platform.openai.com/docs/guides/vision-fine-tuning",
        jsonl(
            [
                {
                    "messages": [
                        {
                            "role": "user",
                            "content": [
                                {"type": "text", "text": f"Question {n}"},
                                {"type": "image_url", "image_url": {"url": "https://a.org/a.png"}},
                            ],
                        },
                        say("assistant", f"Answer {n}"),
                    ]
                }
                for n in NUMBERS
            ]
        ),
        Refused(("image_url", "rows.jsonl:1")),
    ),
    Entry(
        "the developer role",
        "https://github.com/axolotl-ai-cloud/axolotl/issues/723",
        jsonl(chats("user", "assistant", first=[say("developer", "Be brief.")])),
        Read("chat", [asked(f"Q {n}", f"A {n}", "Be brief.") for n in NUMBERS]),
    ),
    Entry(
        "the role model",
        "https://ai.google.dev/api/caching#Content",
        jsonl(chats("user", "model")),
        Read("chat", SHORT),
    ),
    Entry(
        "gemini's contents and parts",
        "https://cloud.google.com/vertex-ai/generative-ai/docs/models/gemini-supervised-tuning-prepare",
        jsonl(
            [
                {
                    "systemInstruction": {"role": "system", "parts": [{"text": "x"}]},
                    "contents": [
                        {"role": "user", "parts": [{"text": f"Q {n}"}]},
                        {"role": "model", "parts": [{"text": f"A {n}"}]},
                    ],
                }
                for n in NUMBERS
            ]
        ),
        Read("chat", [asked(f"Q {n}", f"A {n}", "x") for n in NUMBERS]),
    ),
    Entry(
        "a conversation that ends with the user",
        FOUNDRY,
        jsonl(
            [
                {"messages": [*row["messages"], say("user", "Thanks")]}
                for row in chats("user", "assistant")
            ]
        ),
        Read("chat", SHORT),
    ),
    Entry(
        "the user twice",
        FOUNDRY,
        jsonl(
            [
                {
                    "messages": [
                        say("user", f"Q {n}"),
                        say("user", "and more"),
                        say("assistant", f"A {n}"),
                    ]
                }
                for n in NUMBERS
            ]
        ),
        Read("chat", [asked(f"Q {n}\n\nand more", f"A {n}") for n in NUMBERS]),
    ),
    Entry(
        "a system turn in the middle",
        FOUNDRY,
        jsonl(
            [
                {
                    "messages": [
                        say("user", f"Q {n}"),
                        say("assistant", f"A {n}"),
                        say("system", "Now rhyme."),
                        say("user", "More"),
                        say("assistant", f"B {n}"),
                    ]
                }
                for n in NUMBERS
            ]
        ),
        Read(
            "chat",
            [
                (
                    *asked(f"Q {n}", f"A {n}"),
                    system("Now rhyme."),
                    *asked("More", f"B {n}"),
                )
                for n in NUMBERS
            ],
        ),
    ),
    *(
        Entry(
            f"delimited by {name}",
            "https://support.microsoft.com/office/5250ac4c-663c-47ce-937b-339e391393ba",
            table(notes(), delimiter=delimiter, before=before),
            Read("classify", [labelled(note(n), tone(n)) for n in EIGHTY]),
        )
        for name, delimiter, before in (
            ("pipes", "|", ""),
            ("what sep= says", ";", "sep=;\n"),
            ("tabs in a .csv", "\t", ""),
        )
    ),
    Entry(
        "NaN in place of an answer",
        "https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.to_json.html",
        jsonl(
            [
                {"prompt": f"Q {n}", "completion": float("nan") if n % 9 == 0 else f"A {n}"}
                for n in NUMBERS
            ]
        ),
        Read("qa", ["empty answer" if n % 9 == 0 else SHORT[n] for n in NUMBERS]),
    ),
)
