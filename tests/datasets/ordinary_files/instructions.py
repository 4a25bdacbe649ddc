"""Questions and answers: Alpaca and its like, and tables of them."""

from __future__ import annotations

from .content import array, jsonl, parquet, phrase, question, sentence, table
from .conversations import LLAMA_FACTORY, NUMBERS, TRL
from .entry import Entry, Read, Refused, answer, asked, system, user
from .services import OPENAI

AXOLOTL = "https://docs.axolotl.ai/docs/dataset-formats/inst_tune.html"
PAIRS = [asked(question(n), sentence(n, 1)) for n in NUMBERS]


def pairs(asks: str, answers: str, **more: object) -> list[dict]:
    """Rows with a question and an answer under these names; `more` is the same in every row."""
    return [{asks: question(n), answers: sentence(n, 1), **more} for n in NUMBERS]


def beside(n: int) -> str:
    """What stands in `input`: nothing in every third row."""
    return "" if n % 3 == 0 else phrase(n, 5)


def with_input(n: int) -> str:
    return "\n".join(filter(None, (question(n), beside(n))))


ENTRIES = (
    Entry(
        "llama-factory alpaca with system and history",
        LLAMA_FACTORY,
        jsonl(
            [
                {
                    "instruction": question(n),
                    "input": beside(n),
                    "output": sentence(n, 1),
                    "system": f"You guard door {n % 4}.",
                    "history": [[question(n, 2), sentence(n, 3)]] if n % 2 else [],
                }
                for n in NUMBERS
            ]
        ),
        Read(
            "qa",
            [
                (
                    system(f"You guard door {n % 4}."),
                    *(asked(question(n, 2), sentence(n, 3)) if n % 2 else ()),
                    *asked(with_input(n), sentence(n, 1)),
                )
                for n in NUMBERS
            ],
        ),
    ),
    Entry(
        "llama-factory multimodal alpaca",
        LLAMA_FACTORY,
        array(
            [
                {"instruction": question(n), "output": sentence(n, 1), "images": [f"{n}.jpg"]}
                for n in NUMBERS
            ]
        ),
        Read("qa", PAIRS, {"images": 40}),
    ),
    Entry(
        "llama-factory pre-training text",
        LLAMA_FACTORY,
        array([{"text": f"{sentence(n)} {sentence(n, 1)}"} for n in NUMBERS]),
        Refused(("text", "answer")),
    ),
    Entry(
        "axolotl alpaca in parquet, input null",
        AXOLOTL,
        parquet(
            [
                {"instruction": question(n), "input": beside(n) or None, "output": sentence(n, 1)}
                for n in NUMBERS
            ]
        ),
        Read("qa", [asked(with_input(n), sentence(n, 1)) for n in NUMBERS]),
    ),
    Entry(
        "alpaca in csv with an index and missing cells",
        "https://github.com/tatsu-lab/stanford_alpaca",
        table(
            [
                {"": n, "instruction": question(n), "input": beside(n), "output": sentence(n, 1)}
                for n in NUMBERS
            ]
        ),
        Read(
            "qa",
            [asked(with_input(n), sentence(n, 1)) for n in NUMBERS],
            {"column_1": 40},
        ),
    ),
    Entry(
        "axolotl jeopardy",
        AXOLOTL,
        jsonl(pairs("question", "answer", category="TRADE")),
        Read("qa", PAIRS, {"category": 40}),
    ),
    Entry(
        "axolotl oasst: names in capitals",
        AXOLOTL,
        jsonl(pairs("INSTRUCTION", "RESPONSE")),
        Read("qa", PAIRS),
    ),
    Entry(
        "axolotl gpteacher",
        AXOLOTL,
        jsonl(
            [
                {"instruction": question(n), "input": beside(n), "response": sentence(n, 1)}
                for n in NUMBERS
            ]
        ),
        Read("qa", [asked(with_input(n), sentence(n, 1)) for n in NUMBERS]),
    ),
    Entry(
        "axolotl summarizetldr",
        AXOLOTL,
        jsonl(
            [
                {"article": f"{sentence(n)} {sentence(n, 2)}", "summary": phrase(n, 1)}
                for n in NUMBERS
            ]
        ),
        Read("qa", [asked(f"{sentence(n)} {sentence(n, 2)}", phrase(n, 1)) for n in NUMBERS]),
    ),
    Entry(
        "axolotl camel_ai: message_1 and message_2",
        AXOLOTL,
        jsonl(pairs("message_1", "message_2", role_1="Chemist_RoleType.ASSISTANT")),
        Read("qa", PAIRS, {"role_1": 40}),
    ),
    Entry(
        "axolotl open_orca",
        AXOLOTL,
        parquet(
            [
                {
                    "id": f"niv.{n}",
                    "system_prompt": "" if n % 2 else "Think it through.",
                    "question": question(n),
                    "response": sentence(n, 1),
                }
                for n in NUMBERS
            ]
        ),
        Read(
            "qa",
            [
                asked(question(n), sentence(n, 1), "" if n % 2 else "Think it through.")
                for n in NUMBERS
            ],
            {"id": 40},
        ),
    ),
    Entry(
        "axolotl context_qa",
        AXOLOTL,
        jsonl(
            [
                {"context": sentence(n, 6), "question": question(n), "answer": sentence(n, 1)}
                for n in NUMBERS
            ]
        ),
        Read("qa", [asked(f"{sentence(n, 6)}\n{question(n)}", sentence(n, 1)) for n in NUMBERS]),
    ),
    Entry(
        "axolotl metharme",
        AXOLOTL,
        jsonl(pairs("prompt", "generation")),
        Read("qa", PAIRS),
    ),
    Entry(
        "dolly",
        "https://huggingface.co/datasets/databricks/databricks-dolly-15k",
        jsonl(
            [
                {
                    "instruction": question(n),
                    "context": beside(n),
                    "response": sentence(n, 1),
                    "category": ("closed_qa", "open_qa", "brainstorming")[n % 3],
                }
                for n in NUMBERS
            ]
        ),
        Read("qa", [asked(with_input(n), sentence(n, 1)) for n in NUMBERS], {"category": 40}),
    ),
    Entry(
        "trl prompt and completion",
        TRL,
        jsonl(pairs("prompt", "completion")),
        Read("qa", PAIRS),
    ),
    Entry(
        "openai legacy: a separator and a stop word in the texts",
        OPENAI,
        jsonl(
            [
                {"prompt": f"{question(n)} ->", "completion": f" {sentence(n, 1)} END"}
                for n in NUMBERS
            ]
        ),
        Read("qa", [asked(f"{question(n)} ->", f" {sentence(n, 1)} END") for n in NUMBERS]),
    ),
    Entry(
        "truthful_qa: a table of many columns",
        "https://huggingface.co/datasets/truthfulqa/truthful_qa",
        table(
            [
                {
                    "Type": "Adversarial" if n % 2 else "Non-Adversarial",
                    "Category": ("Law", "Health", "Myths")[n % 3],
                    "Question": question(n),
                    "Best Answer": sentence(n, 1),
                    "Correct Answers": f"{sentence(n, 1)}; {sentence(n, 2)}",
                    "Incorrect Answers": sentence(n, 3),
                    "Source": f"https://example.org/{n}",
                }
                for n in NUMBERS
            ]
        ),
        Read(
            "qa",
            PAIRS,
            dict.fromkeys(
                ("Type", "Category", "Correct Answers", "Incorrect Answers", "Source"), 40
            ),
        ),
    ),
    Entry(
        "gsm8k: numbers as answers",
        "https://huggingface.co/datasets/openai/gsm8k",
        jsonl([{"question": question(n), "answer": n * 37} for n in NUMBERS]),
        Read("qa", [asked(question(n), str(n * 37)) for n in NUMBERS]),
    ),
    Entry(
        "an answer that is null in some rows",
        "https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.to_json.html",
        jsonl(
            [
                {"question": question(n), "answer": None if n % 10 == 4 else sentence(n, 1)}
                for n in NUMBERS
            ]
        ),
        Read(
            "qa",
            [
                "empty answer" if n % 10 == 4 else asked(question(n), sentence(n, 1))
                for n in NUMBERS
            ],
        ),
    ),
    Entry(
        "squad: answers with their places in the text",
        "https://huggingface.co/datasets/rajpurkar/squad",
        parquet(
            [
                {
                    "id": f"5733be28{n:04}",
                    "title": "Ports",
                    "context": sentence(n, 6),
                    "question": question(n),
                    "answers": {"text": [phrase(n, 6)], "answer_start": [0]},
                }
                for n in NUMBERS
            ]
        ),
        Refused(("answers", "object"), ("column",)),
    ),
    Entry(
        "helpsteer: scores beside question and answer",
        "https://huggingface.co/datasets/nvidia/HelpSteer",
        jsonl(
            [
                {
                    "prompt": question(n),
                    "response": sentence(n, 1),
                    "helpfulness": n % 5,
                    "correctness": (n + 2) % 5,
                }
                for n in NUMBERS
            ]
        ),
        Read("qa", PAIRS, {"helpfulness": 40, "correctness": 40}),
    ),
    Entry(
        "a cell of several lines between CRLF line ends",
        "https://www.rfc-editor.org/rfc/rfc4180",
        table(
            [
                {"Question": f"{question(n)}\nPlease.", "Answer": f"{sentence(n, 1)}\r\nBye."}
                for n in NUMBERS
            ]
        ),
        Read(
            "qa",
            [
                (user(f"{question(n)}\nPlease."), answer(f"{sentence(n, 1)}\r\nBye."))
                for n in NUMBERS
            ],
        ),
    ),
)
