"""Files that are made for something else than learning answers: each is told as what it is."""

from __future__ import annotations

from .content import array, jsonl, parquet, phrase, question, sentence, table, written
from .conversations import AXOLOTL, LLAMA_FACTORY, NUMBERS, TRL, pair, say, told
from .entry import Entry, Refused
from .services import OPENAI

PREFERENCE = Refused(("preference", "chosen", "rejected"), ("chosen",))
UNPAIRED = ("preference",)

ENTRIES = (
    Entry(
        "llama-factory preference",
        LLAMA_FACTORY,
        array(
            [
                {
                    "instruction": question(n),
                    "input": "",
                    "chosen": sentence(n, 1),
                    "rejected": sentence(n, 2),
                }
                for n in NUMBERS
            ]
        ),
        PREFERENCE,
    ),
    Entry(
        "llama-factory preference beside conversations",
        LLAMA_FACTORY,
        array(
            [
                {
                    "conversations": [told("human", question(n))],
                    "chosen": told("gpt", sentence(n, 1)),
                    "rejected": told("gpt", sentence(n, 2)),
                }
                for n in NUMBERS
            ]
        ),
        PREFERENCE,
    ),
    Entry(
        "llama-factory kto",
        LLAMA_FACTORY,
        jsonl(
            [
                {"instruction": question(n), "output": sentence(n, 1), "kto_tag": n % 2 == 0}
                for n in NUMBERS
            ]
        ),
        Refused((*UNPAIRED, "kto_tag"), ("true",)),
    ),
    Entry(
        "trl preference",
        TRL,
        parquet(
            [
                {"prompt": question(n), "chosen": sentence(n, 1), "rejected": sentence(n, 2)}
                for n in NUMBERS
            ]
        ),
        PREFERENCE,
    ),
    Entry(
        "trl preference, the prompt within",
        TRL,
        jsonl(
            [
                {"chosen": pair(n), "rejected": [*pair(n)[:1], say("assistant", sentence(n, 2))]}
                for n in NUMBERS
            ]
        ),
        PREFERENCE,
    ),
    Entry(
        "trl unpaired preference",
        TRL,
        jsonl(
            [
                {"prompt": question(n), "completion": sentence(n, 1), "label": n % 2 == 0}
                for n in NUMBERS
            ]
        ),
        Refused((*UNPAIRED, "label"), ("true",)),
    ),
    Entry(
        "trl stepwise supervision",
        TRL,
        jsonl(
            [
                {
                    "prompt": question(n),
                    "completions": [sentence(n, 1), sentence(n, 2)],
                    "labels": [True, False],
                }
                for n in NUMBERS
            ]
        ),
        Refused(("completions", "labels"), ("text",)),
    ),
    Entry(
        "openai preference",
        "https://platform.openai.com/docs/guides/direct-preference-optimization",
        jsonl(
            [
                {
                    "input": {"messages": [say("user", question(n))]},
                    "preferred_output": [say("assistant", sentence(n, 1))],
                    "non_preferred_output": [say("assistant", sentence(n, 2))],
                }
                for n in NUMBERS
            ]
        ),
        Refused(("preference", "preferred_output"), ("preferred_output",)),
    ),
    Entry(
        "hh-rlhf",
        "https://huggingface.co/datasets/Anthropic/hh-rlhf",
        jsonl(
            [
                {
                    "chosen": f"\n\nHuman: {question(n)}\n\nAssistant: {sentence(n, 1)}",
                    "rejected": f"\n\nHuman: {question(n)}\n\nAssistant: {sentence(n, 2)}",
                }
                for n in NUMBERS
            ]
        ),
        PREFERENCE,
    ),
    Entry(
        "open assistant messages in csv",
        "https://huggingface.co/datasets/OpenAssistant/oasst1",
        table(
            [
                {
                    "message_id": f"m{n}",
                    "parent_id": f"m{n - 1}" if n % 2 else "",
                    "text": sentence(n),
                    "role": ("prompter", "assistant")[n % 2],
                    "lang": "en",
                    "rank": n % 3,
                }
                for n in NUMBERS
            ]
        ),
        Refused(("tree", "parent_id")),
    ),
    Entry(
        "chatgpt's own export",
        "https://help.openai.com/en/articles/7260999",
        array(
            [
                {
                    "title": phrase(n),
                    "create_time": 1700000000.5 + n,
                    "mapping": {"a": {"id": "a", "message": None, "parent": None, "children": []}},
                    "current_node": "a",
                }
                for n in NUMBERS
            ]
        ),
        Refused(("tree", "mapping")),
    ),
    Entry(
        "axolotl input_output segments",
        AXOLOTL,
        jsonl(
            [
                {
                    "segments": [
                        {"label": False, "text": f"{question(n)}\n"},
                        {"label": True, "text": sentence(n, 1)},
                    ]
                }
                for n in NUMBERS
            ]
        ),
        Refused(("segments",), ("messages",)),
    ),
    Entry(
        "rows that are already token ids",
        "https://docs.axolotl.ai/docs/dataset-formats/tokenized.html",
        parquet(
            [
                {"input_ids": [1, n, 2], "attention_mask": [1, 1, 1], "labels": [-100, n, 2]}
                for n in NUMBERS
            ]
        ),
        Refused(("input_ids", "token"), ("text",)),
    ),
    Entry(
        "a channel of discord",
        "https://github.com/Tyrrrz/DiscordChatExporter",
        array(
            {
                "guild": {"id": "1", "name": "boats"},
                "channel": {"id": "2", "type": "GuildTextChat"},
                "messages": [
                    {"id": str(n), "content": sentence(n), "author": {"name": f"u{n % 3}"}}
                    for n in NUMBERS
                ],
            }
        ),
        Refused(("rows.json", "content"), ("--prompt",)),
    ),
    Entry(
        "a chat of whatsapp",
        "https://faq.whatsapp.com/1180414079177245",
        written(
            "chat.txt",
            "".join(
                f"{1 + n % 28:02}/03/2024, 14:{n:02} - {('Ann', 'Bo')[n % 2]}: {sentence(n)}\n"
                for n in NUMBERS
            ).encode(),
        ),
        Refused(("chat.txt",), ("csv", "jsonl")),
    ),
    Entry(
        "squad as it is downloaded",
        "https://rajpurkar.github.io/SQuAD-explorer/",
        array(
            {
                "version": "1.1",
                "data": [
                    {
                        "title": "Ports",
                        "paragraphs": [
                            {
                                "context": sentence(n),
                                "qas": [
                                    {
                                        "question": question(n),
                                        "id": str(n),
                                        "answers": [{"text": "Ports", "answer_start": 0}],
                                    }
                                ],
                            }
                        ],
                    }
                    for n in NUMBERS
                ],
            }
        ),
        Refused(("rows.json", "paragraphs"), ("one question per row",)),
    ),
    Entry(
        "daily_dialog: turns without speakers",
        "https://huggingface.co/datasets/li2017dailydialog/daily_dialog",
        jsonl(
            [
                {"dialog": [question(n), sentence(n, 1)], "act": [2, 1], "emotion": [0, 4]}
                for n in NUMBERS
            ]
        ),
        Refused(("dialog",)),
    ),
    Entry(
        "openai batch requests",
        OPENAI,
        jsonl(
            [
                {
                    "custom_id": f"r{n}",
                    "method": "POST",
                    "url": "/v1/chat/completions",
                    "body": {"model": "m", "messages": [say("user", question(n))]},
                }
                for n in NUMBERS
            ]
        ),
        Refused(("body", "batch"), ("answer",)),
    ),
)
