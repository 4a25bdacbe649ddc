"""Files that people reported elsewhere because a tool read them wrongly or not at all."""

from __future__ import annotations

import json

from .content import array, cells, jsonl, parquet, table
from .conversations import NUMBERS, say, told
from .entry import Entry, Read, Refused, asked, labelled, shown, system, user

WORDS = {
    "joy": ("warm", "smile", "sun"),
    "sadness": ("grey", "loss", "rain"),
    "fear": ("shadow", "creak", "dark"),
    "surprise": ("gift", "sudden", "door"),
}
TONES = tuple(WORDS)
EIGHTY = range(80)
CALL = {"id": "c0", "type": "function", "function": {"name": "price", "arguments": "{}"}}
SHORT = [asked(f"Q {n}", f"A {n}") for n in NUMBERS]


def note(n: int) -> str:
    """A text of few words, alike for every row of a tone but for its numbers."""
    words = WORDS[TONES[n % 4]]
    return f"Note {n}: a {words[n % 3]} and a {words[n * 7 % 3]} came by, case {n * 7}."


def tone(n: int) -> str:
    return TONES[n % 4]


def notes(column: str = "text", label: str = "label") -> list[dict]:
    return [{column: note(n), label: tone(n)} for n in EIGHTY]


def chats(*roles: str, first: list[dict] | None = None) -> list[dict]:
    """A question and an answer under these roles."""
    return [
        {"messages": [*(first or []), say(roles[0], f"Q {n}"), say(roles[1], f"A {n}")]}
        for n in NUMBERS
    ]


def spelled(n: int) -> str:
    """A label as different people type it."""
    return (tone(n), tone(n).upper(), f"{tone(n)} ", tone(n).title())[n // 4 % 4]


def gap(n: int) -> str:
    """A label, or what pandas writes where there is none."""
    return ("", "nan", "NaN", "N/A")[n // 10 % 4] if n % 10 == 0 else tone(n)


def with_call(text: str | None, **more: object) -> list[dict]:
    call = {"role": "assistant", "content": text, "tool_calls": [CALL]}
    return [{"messages": [say("user", f"Price of item {n}?"), call], **more} for n in NUMBERS]


ENTRIES = (
    Entry(
        "weight 0 on a draft",
        "https://github.com/openai/openai-cookbook/pull/1074",
        jsonl(
            [
                {
                    "messages": [
                        say("system", "Be brief."),
                        say("user", f"Hello {n}"),
                        say("assistant", f"WRONG draft {n}", weight=0),
                        say("user", f"Again {n}"),
                        say("assistant", f"Right answer {n}", weight=1),
                    ]
                }
                for n in NUMBERS
            ]
        ),
        Read(
            "chat",
            [
                (
                    system("Be brief."),
                    user(f"Hello {n}"),
                    shown(f"WRONG draft {n}"),
                    *asked(f"Again {n}", f"Right answer {n}"),
                )
                for n in NUMBERS
            ],
        ),
    ),
    Entry(
        "function_call and observation turns",
        "https://github.com/hiyouga/LLaMA-Factory/issues/2529",
        array(
            [
                {
                    "conversations": [
                        told("human", f"Time in city {n}?"),
                        told("function_call", json.dumps({"name": "clock", "arguments": {}})),
                        told("observation", f"{n}:00"),
                        told("gpt", f"It is {n} o'clock."),
                    ],
                    "system": f"You are clock number {n}.",
                    "tools": "[]",
                }
                for n in NUMBERS
            ]
        ),
        Refused(("tool", "40 rows"), ("model",)),
    ),
    Entry(
        "alpaca whose input is missing or empty",
        "https://github.com/hiyouga/LLaMA-Factory/issues/7577",
        array(
            [
                {
                    "instruction": f"Add {n} and the number.",
                    **({} if n % 5 == 0 else {"input": "" if n % 3 == 0 else str(2 * n)}),
                    "output": f"The sum is {3 * n}.",
                }
                for n in range(60)
            ]
        ),
        Read(
            "qa",
            [
                asked(
                    f"Add {n} and the number." + ("" if n % 5 * (n % 3) == 0 else f"\n{2 * n}"),
                    f"The sum is {3 * n}.",
                )
                for n in range(60)
            ],
        ),
    ),
    Entry(
        "alpaca with system and history columns",
        "https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md",
        array(
            [
                {
                    "instruction": f"Now {n}.",
                    "input": "",
                    "output": f"Done {n}.",
                    "system": f"Mode {n % 2}.",
                    "history": [[f"Before {n}?", f"Yes {n}."]],
                }
                for n in NUMBERS
            ],
            indent=None,
        ),
        Read(
            "qa",
            [
                (
                    system(f"Mode {n % 2}."),
                    *asked(f"Before {n}?", f"Yes {n}."),
                    *asked(f"Now {n}.", f"Done {n}."),
                )
                for n in NUMBERS
            ],
        ),
    ),
    Entry(
        "preference data as messages, with scores",
        "https://github.com/axolotl-ai-cloud/axolotl/issues/1645",
        jsonl(
            [
                {
                    "prompt": f"Say {n} kindly.",
                    "chosen": [say("user", f"Say {n} kindly."), say("assistant", f"Dear {n}.")],
                    "rejected": [say("user", f"Say {n} kindly."), say("assistant", "Go away.")],
                    "score_chosen": 8.0,
                    "score_rejected": 2.0,
                }
                for n in NUMBERS
            ]
        ),
        Refused(("preference", "chosen", "rejected"), ("chosen",)),
    ),
    Entry(
        "preference data as text",
        "https://github.com/axolotl-ai-cloud/axolotl/issues/1645",
        jsonl(
            [
                {"question": f"Say {n} kindly.", "chosen": f"Dear {n}.", "rejected": f"Go {n}."}
                for n in NUMBERS
            ]
        ),
        Refused(("preference", "chosen", "rejected"), ("chosen",)),
    ),
    Entry(
        "a tree of messages",
        "https://huggingface.co/datasets/OpenAssistant/oasst1",
        jsonl(
            [
                {
                    "message_id": f"{'pa'[n % 2]}{n // 2}",
                    "parent_id": f"p{n // 2}" if n % 2 else None,
                    "text": f"Answer {n // 2}." if n % 2 else f"Question {n // 2}?",
                    "role": ("prompter", "assistant")[n % 2],
                    "lang": "en",
                    "labels": {"name": ["spam"], "value": [0.0]},
                }
                for n in NUMBERS
            ]
        ),
        Refused(("tree", "parent_id")),
    ),
    *(
        Entry(
            f"messages in a cell, as {kind}",
            "https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.to_csv.html",
            table(
                [
                    {"id": n, "messages": write(row["messages"])}
                    for n, row in enumerate(chats("user", "assistant"))
                ]
            ),
            Read("chat", SHORT, {"id": 40}),
        )
        for kind, write in (("json", json.dumps), ("python", repr))
    ),
    Entry(
        "a boolean label in csv beside pandas' index",
        "https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.to_csv.html",
        table([{"Unnamed: 0": n, "message": note(n), "is_spam": n % 2 == 0} for n in EIGHTY]),
        Read(
            "classify",
            [labelled(note(n), str(n % 2 == 0), "Is spam") for n in EIGHTY],
            {"Unnamed: 0": 80},
        ),
    ),
    Entry(
        "a boolean label in jsonl",
        "https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.to_json.html",
        jsonl([{"message": note(n), "is_spam": n % 2 == 0} for n in EIGHTY]),
        Read("classify", [labelled(note(n), str(n % 2 == 0), "Is spam") for n in EIGHTY]),
    ),
    Entry(
        "sentiment140: no header line, six columns",
        "https://huggingface.co/datasets/stanfordnlp/sentiment140",
        cells(
            [
                (
                    n % 2 * 4,
                    1467810000 + n,
                    f"Mon Apr 06 22:19:{n % 60:02} PDT 2009",
                    "NO_QUERY",
                    f"user{n}",
                    note(n),
                )
                for n in range(100)
            ]
        ),
        Read(
            "classify",
            [labelled(note(n), str(n % 2 * 4), "Column 1") for n in range(100)],
            {f"column_{n}": 100 for n in range(2, 6)},
            said=("header",),
            labels=("0", "4"),
        ),
    ),
    Entry(
        "labels that are empty, nan or N/A",
        "https://pandas.pydata.org/docs/user_guide/missing_data.html",
        table([{"text": note(n), "label": gap(n)} for n in range(100)]),
        Read(
            "classify",
            [
                labelled(note(n), tone(n))
                if gap(n) == tone(n)
                else f"no label ({gap(n)})"
                if gap(n)
                else "empty answer"
                for n in range(100)
            ],
            said=("nan", "n/a"),
            labels=tuple(sorted(TONES)),
        ),
    ),
    Entry(
        "labels of many hands",
        "https://pandas.pydata.org/docs/user_guide/text.html",
        table([{"text": note(n), "label": spelled(n)} for n in range(96)]),
        Read(
            "classify",
            [labelled(note(n), tone(n)) for n in range(96)],
            said=("joy",),
            labels=tuple(sorted(TONES)),
        ),
    ),
    *(
        Entry(
            f"labels 0 to 3 in {name}",
            "https://huggingface.co/docs/datasets/process#export",
            write([{"text": note(n), "label": kind(n % 4)} for n in EIGHTY]),
            Read(
                "classify",
                [labelled(note(n), str(n % 4)) for n in EIGHTY],
                labels=("0", "1", "2", "3"),
            ),
        )
        for name, write, kind in (
            ("jsonl", jsonl, int),
            ("jsonl as floats", jsonl, float),
            ("parquet", parquet, int),
        )
    ),
    Entry(
        "alpaca whose input is null in every second row",
        "https://huggingface.co/docs/datasets/process#export",
        jsonl(
            [
                {"instruction": f"Do {n}", "input": None if n % 2 else "x", "output": f"Did {n}"}
                for n in NUMBERS
            ]
        ),
        Read("qa", [asked(f"Do {n}" + ("" if n % 2 else "\nx"), f"Did {n}") for n in NUMBERS]),
    ),
    Entry(
        "answers that are numbers",
        "https://huggingface.co/datasets/openai/gsm8k",
        jsonl([{"question": f"What is {n}+{n}?", "answer": 2 * n} for n in NUMBERS]),
        Read("qa", [asked(f"What is {n}+{n}?", str(2 * n)) for n in NUMBERS]),
    ),
    Entry(
        "a system column beside conversations",
        "https://github.com/Tencent/AngelSlim/pull/345",
        jsonl(
            [
                {
                    "system": f"You are pirate {n % 3}.",
                    "conversations": [told("human", f"Question {n}"), told("gpt", f"Arr {n}")],
                }
                for n in NUMBERS
            ]
        ),
        Read(
            "chat",
            [asked(f"Question {n}", f"Arr {n}", f"You are pirate {n % 3}.") for n in NUMBERS],
        ),
    ),
    Entry(
        "a system column beside question and answer",
        "https://github.com/Tencent/AngelSlim/pull/345",
        jsonl(
            [
                {
                    "system": f"Answer like pirate {n % 3}.",
                    "question": f"Question {n}",
                    "answer": f"Arr {n}",
                }
                for n in NUMBERS
            ]
        ),
        Read(
            "qa",
            [asked(f"Question {n}", f"Arr {n}", f"Answer like pirate {n % 3}.") for n in NUMBERS],
        ),
    ),
)
