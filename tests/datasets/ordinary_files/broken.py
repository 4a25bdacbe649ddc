"""Files that programs and people spoil a little: read where it is safe, else told by the line."""

from __future__ import annotations

import json

from .content import array, jsonl, phrase, question, sentence, table, written
from .conversations import NUMBERS, plain, say, told
from .entry import Entry, Read, Refused, answer, asked, labelled, shown, user

R = "https://stat.ethz.ch/R-manual/R-devel/library/utils/html/write.table.html"
PANDAS = "https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.to_csv.html"
LINES = "https://jsonlines.org/"
CSV = "https://www.rfc-editor.org/rfc/rfc4180"
PSQL = "https://www.postgresql.org/docs/current/app-psql.html"
FASTCHAT = "https://github.com/lm-sys/FastChat/blob/main/fastchat/train/train.py"
MOODS = ("joy", "fear")
LABELLED = [labelled(sentence(n), MOODS[n % 2]) for n in NUMBERS]
OBJECTS = [{"text": sentence(n), "label": MOODS[n % 2]} for n in NUMBERS]
HEADER = "text,label\n"


def lines(numbers: range = NUMBERS) -> str:
    return "".join(f"{sentence(n)},{MOODS[n % 2]}\n" for n in numbers)


def text(content: str, name: str = "rows.csv") -> object:
    return written(name, content.encode())


def opened(mark: str) -> str:
    """A table in which a quote is opened in row 10 and closed in row 30."""
    texts = [sentence(n) for n in NUMBERS]
    texts[10], texts[30] = f'"{texts[10]}', f'{texts[30]}"'
    return "".join(f"{one}{mark}{MOODS[n % 2]}\n" for n, one in enumerate(texts))


ENTRIES = (
    Entry(
        "r: a number before each row, and no name for it",
        R,
        text(HEADER + "".join(f'"{n + 1}","{sentence(n)}","{MOODS[n % 2]}"\n' for n in NUMBERS)),
        Read("classify", LABELLED, {"row": 40}, said=("a number before each row",)),
    ),
    Entry(
        "files put together, each with its header",
        "https://www.gnu.org/software/coreutils/manual/html_node/cat-invocation.html",
        text(HEADER + lines(range(20)) + f"\ufeff{HEADER}" + lines(range(20, 40))),
        Read("classify", [*LABELLED[:20], "the header again", *LABELLED[20:]],
             said=("1 row left out: the header again",)),
    ),
    Entry(
        "a quote that is closed twenty rows below",
        CSV,
        text("label,text\n" + "".join(f"{line.split(',')[1]},{line.split(',')[0]}\n"
                                      for line in opened(",").splitlines())),
        Refused(("a quote opens here", "rows.csv:12"), ("remove the quote",)),
    ),
    Entry(
        "the same between tabs",
        CSV,
        text("text\tlabel\n" + opened("\t"), "rows.tsv"),
        Refused(("a quote opens here", "rows.tsv:12"), ("remove the quote",)),
    ),
    Entry(
        "letters of several lines with commas in them",
        CSV,
        table([{"text": f"Dear all,\n{sentence(n)}\nYours, Ann\nand Bo", "label": MOODS[n % 2]}
               for n in NUMBERS]),
        Read("classify", [labelled(f"Dear all,\n{sentence(n)}\nYours, Ann\nand Bo", MOODS[n % 2])
                          for n in NUMBERS]),
    ),
    Entry(
        "a space behind each comma, before quotes too",
        CSV,
        text("id, text, label\n" + "".join(f'{n}, "{sentence(n)} Well, yes.", {MOODS[n % 2]}\n'
                                           for n in NUMBERS)),
        Read("classify", [labelled(f"{sentence(n)} Well, yes.", MOODS[n % 2]) for n in NUMBERS],
             {"id": 40}),
    ),
    Entry(
        "mysql: a backslash before a quote",
        "https://dev.mysql.com/doc/refman/8.4/en/select-into.html",
        text('"text","label"\n' + "".join(f'"He said \\"{phrase(n)}\\"","{MOODS[n % 2]}"\n'
                                          for n in NUMBERS)),
        Refused(("backslash", "rows.csv:2"), ("twice", "escapechar")),
    ),
    Entry(
        "single quotes around fields",
        CSV,
        text("'text','label'\n" + "".join(f"'{sentence(n)}','{MOODS[n % 2]}'\n" for n in NUMBERS)),
        Refused(("single quotes", "rows.csv:1"), ("double quotes",)),
    ),
    Entry(
        "what psql draws on the screen",
        PSQL,
        text(" text | label \n------+-------\n" + "".join(f" {sentence(n)} | {MOODS[n % 2]}\n"
                                                         for n in NUMBERS)),
        Refused(("1 field", "rows.csv:2"), ("drawn for the screen",)),
    ),
    Entry(
        "a title above the header",
        CSV,
        text("exported on Monday by admin\n" + HEADER + lines()),
        Refused(("2 fields, the header 1",), ("above that line",)),
    ),
    Entry(
        "qualtrics: three lines that name the columns",
        "https://www.qualtrics.com/support/survey-platform/data-and-analysis-module/data/"
        "download-data/understanding-your-dataset/",
        table([{"Q1": "Why?", "Q2": "How was it?"},
               {"Q1": '{"ImportId":"QID1_TEXT"}', "Q2": '{"ImportId":"QID2"}'},
               *({"Q1": sentence(n), "Q2": MOODS[n % 2]} for n in NUMBERS)]),
        Refused(("qualtrics",), ("lines 2 and 3",)),
    ),
    Entry(
        "nan in cells, as astype(str) writes it",
        PANDAS,
        jsonl([{"instruction": question(n), "input": "nan",
                "output": "nan" if n % 10 == 0 else sentence(n, 1)} for n in NUMBERS]),
        Read("qa", ["empty answer" if n % 10 == 0 else plain(n) for n in NUMBERS],
             said=("36 cells are read as empty", "4 rows left out: empty answer")),
    ),
    Entry(
        "one NUL in a csv",
        CSV,
        text(HEADER + lines().replace("her landlord", "her\0landlord", 1) + "a\0b,joy\n"),
        Refused(("nul character",), ("remove it",), said=("`text` as the text",)),
    ),
    Entry(
        "json lines in a list",
        LINES,
        written("rows.jsonl", json.dumps(OBJECTS).encode()),
        Refused(("one json document", "rows.jsonl:1"), (".json",)),
    ),
    Entry(
        "json objects over several lines",
        LINES,
        written("rows.jsonl", "\n".join(json.dumps(row, indent=1) for row in OBJECTS).encode()),
        Refused(("not valid json", "rows.jsonl:1"), ("ending .json",)),
    ),
    Entry(
        "the same by the right ending",
        LINES,
        written("rows.json", "\n".join(json.dumps(row, indent=1) for row in OBJECTS).encode()),
        Read("classify", LABELLED),
    ),
    Entry(
        "a comma behind each line of json",
        LINES,
        written("rows.jsonl", ",\n".join(map(json.dumps, OBJECTS)).encode()),
        Refused(("not valid json", "rows.jsonl:1"), ("remove the comma",)),
    ),
    Entry(
        "objects as python prints them",
        LINES,
        written("rows.jsonl", "\n".join(map(str, OBJECTS)).encode()),
        Refused(("not valid json", "rows.jsonl:1"), ("json.dumps",)),
    ),
    Entry(
        "json lines of two files, each with a byte order mark",
        LINES,
        written("rows.jsonl", ("\ufeff" + "\n".join(map(json.dumps, OBJECTS[:20])) + "\n\ufeff"
                               + "\n".join(map(json.dumps, OBJECTS[20:]))).encode()),
        Read("classify", LABELLED),
    ),
    Entry(
        "a key twice in one object",
        "https://www.rfc-editor.org/rfc/rfc8259#section-4",
        written("rows.jsonl", "".join(f'{{"text": "{sentence(n)}", "label": "a", "label": "b"}}\n'
                                      for n in NUMBERS).encode()),
        Refused(("'label' is repeated", "rows.jsonl:1"), ("correct",)),
    ),
    Entry(
        "the splits of a dataset in one file",
        LINES,
        array({"train": OBJECTS[:30], "test": OBJECTS[30:]}),
        Refused(("two lists", "'train' and 'test'"), ("name their folder",)),
    ),
    Entry(
        "elasticsearch's hits",
        "https://www.elastic.co/guide/en/elasticsearch/reference/current/search-search.html",
        jsonl([{"_index": "t", "_id": str(n), "_source": OBJECTS[n]} for n in NUMBERS]),
        Refused(("no task",), ("`_source` (text, label)", "columns of their own")),
    ),
    Entry(
        "opus: translations in objects",
        "https://huggingface.co/datasets/Helsinki-NLP/opus_books",
        jsonl([{"id": str(n), "translation": {"en": sentence(n), "de": sentence(n, 1)}}
               for n in NUMBERS]),
        Refused(("no task",), ("`translation` (en, de)",)),
    ),
    Entry(
        "spider: a question and its query",
        "https://huggingface.co/datasets/xlangai/spider",
        jsonl([{"db_id": f"db_{n % 5}", "query": f"SELECT {n} FROM {phrase(n, 1)}",
                "question": question(n)} for n in NUMBERS]),
        Read("qa", [asked(question(n), f"SELECT {n} FROM {phrase(n, 1)}") for n in NUMBERS],
             {"db_id": 40}),
    ),
    Entry(
        "guanaco: conversations as one text",
        "https://huggingface.co/datasets/timdettmers/openassistant-guanaco",
        jsonl([{"text": f"### Human: {question(n)}### Assistant: {sentence(n, 1)}"}
               for n in NUMBERS]),
        Refused(("`text`", "template", "### human:"), ("prompt and completion",)),
    ),
    Entry(
        "a conversation that begins with the assistant",
        FASTCHAT,
        array([{"conversations": [told("gpt", "Hello!"), told("human", question(n)),
                                  told("gpt", sentence(n, 1))]} for n in NUMBERS]),
        Read("chat", [plain(n) for n in NUMBERS], said=("40 turns are left out",)),
    ),
    Entry(
        "conversations without the user",
        FASTCHAT,
        jsonl([{"messages": [say("assistant", sentence(n, 1))]} for n in NUMBERS]),
        Refused(("no user turn",)),
    ),
    Entry(
        "weights as texts",
        "https://platform.openai.com/docs/guides/supervised-fine-tuning",
        jsonl([{"messages": [say("user", question(n)), say("assistant", phrase(n, 2), weight="0"),
                             say("user", question(n, 3)),
                             say("assistant", sentence(n, 1), weight="1")]} for n in NUMBERS]),
        Read("chat", [(user(question(n)), shown(phrase(n, 2)), user(question(n, 3)),
                       answer(sentence(n, 1))) for n in NUMBERS],
             said=("40 assistant turns are shown but not learned",)),
    ),
    Entry(
        "langchain: type and content",
        "https://python.langchain.com/docs/concepts/messages/",
        jsonl([{"messages": [{"type": "human", "content": question(n)},
                             {"type": "ai", "content": sentence(n, 1)}]} for n in NUMBERS]),
        Read("chat", [plain(n) for n in NUMBERS], said=("`type` says who speaks",)),
    ),
    Entry(
        "messages of slack",
        "https://slack.com/help/articles/220556107",
        array([{"type": "message", "user": ("U1", "U2")[n % 2], "text": sentence(n),
                "ts": f"17000{n:05}.01"} for n in NUMBERS]),
        Refused(("one message of a chat", "`user`"), ("messages",)),
    ),
    Entry(
        "tweets and their answers",
        "https://www.kaggle.com/datasets/thoughtvector/customer-support-on-twitter",
        table([{"tweet_id": n + 1, "author_id": f"{115712 + n}", "inbound": n % 2 == 0,
                "text": sentence(n), "in_response_to_tweet_id": n or ""} for n in NUMBERS]),
        Refused(("tree", "`in_response_to_tweet_id`"), ("messages",)),
    ),
)  # fmt: skip
