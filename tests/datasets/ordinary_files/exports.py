"""Tables as office programs, ticket systems and forms export them."""

from __future__ import annotations

from .content import cells, jsonl, phrase, question, sentence, table, workbook, written
from .conversations import NUMBERS
from .entry import Entry, Read, Refused, asked, labelled
from .labels import MOODS, SIXTY, of_moods

EXCEL = "https://support.microsoft.com/office/import-or-export-text-txt-or-csv-files-5250ac4c-663c-47ce-937b-339e391393ba"
QUEUES = ("Billing", "Technical Support", "Returns")
GERMAN = ("Lob", "Beschwerde", "Rückfrage")
STATUS = ("Open", "Solved", "Closed")


def umlauts(n: int) -> str:
    return f"Größe {n * 13 % 97}: {phrase(n)}, schön für {n * 7 % 89} €"


ENTRIES = (
    Entry(
        "support tickets: subject, body, queue, priority",
        "https://www.kaggle.com/datasets/tobiasbueck/multilingual-customer-support-tickets",
        table(
            [
                {
                    "subject": phrase(n, 2),
                    "body": f"{sentence(n)} {sentence(n, 4)}",
                    "queue": QUEUES[n % 3],
                    "language": "en",
                }
                for n in SIXTY
            ]
        ),
        Read(
            "classify",
            [
                labelled(f"{phrase(n, 2)}\n{sentence(n)} {sentence(n, 4)}", QUEUES[n % 3], "Queue")
                for n in SIXTY
            ],
            {"language": 60},
            said=("subject", "body"),
        ),
    ),
    Entry(
        "support tickets with answers, a subject missing here and there",
        "https://www.kaggle.com/datasets/tobiasbueck/multilingual-customer-support-tickets",
        table(
            [
                {
                    "subject": "" if n % 6 == 1 else phrase(n, 2),
                    "body": sentence(n),
                    "answer": f"Dear customer, {phrase(n, 4)}.",
                    "type": ("Incident", "Request")[n % 2],
                    "tag_1": "Outage" if n % 2 else "",
                }
                for n in SIXTY
            ]
        ),
        Read(
            "qa",
            [
                asked(
                    sentence(n) if n % 6 == 1 else f"{phrase(n, 2)}\n{sentence(n)}",
                    f"Dear customer, {phrase(n, 4)}.",
                )
                for n in SIXTY
            ],
            {"type": 60, "tag_1": 30},
        ),
    ),
    Entry(
        "zendesk tickets",
        "https://support.zendesk.com/hc/en-us/articles/4408886165402",
        table(
            [
                {
                    "Id": 10_000 + n,
                    "Subject": phrase(n, 2),
                    "Description": sentence(n),
                    "Category": QUEUES[n % 3],
                    "Created at": f"2024-0{1 + n % 9}-11 09:{n % 60:02}",
                }
                for n in SIXTY
            ]
        ),
        Read(
            "classify",
            [labelled(f"{phrase(n, 2)}\n{sentence(n)}", QUEUES[n % 3], "Category") for n in SIXTY],
            {"Id": 60, "Created at": 60},
        ),
    ),
    Entry(
        "jira issues, with two columns Labels",
        "https://support.atlassian.com/jira/kb/how-to-export-jira-issues-to-csv/",
        cells(
            [
                ["Summary", "Issue key", "Issue Type", "Labels", "Labels"],
                *([phrase(n), f"OPS-{n}", ("Bug", "Task")[n % 2], "red", ""] for n in SIXTY),
            ]
        ),
        Refused(("two columns", "labels"), ("rename",)),
    ),
    Entry(
        "excel csv of a German machine: semicolon, cp1252, decimal commas",
        EXCEL,
        table(
            [{"Nummer": f"{n},5", "Text": umlauts(n), "Kategorie": GERMAN[n % 3]} for n in SIXTY],
            delimiter=";",
            encoding="cp1252",
        ),
        Read(
            "classify",
            [labelled(umlauts(n), GERMAN[n % 3], "Kategorie") for n in SIXTY],
            {"Nummer": 60},
            said=("1252",),
        ),
    ),
    Entry(
        "excel csv with sep= and a byte order mark",
        EXCEL,
        table(
            [{"Text": umlauts(n), "Label": GERMAN[n % 3]} for n in SIXTY],
            delimiter=";",
            encoding="utf-8-sig",
            before="sep=;\r\n",
        ),
        Read("classify", [labelled(umlauts(n), GERMAN[n % 3]) for n in SIXTY]),
    ),
    Entry(
        "excel's unicode text: UTF-16 with tabs",
        EXCEL,
        table(
            [{"Text": umlauts(n), "Label": GERMAN[n % 3]} for n in SIXTY],
            "rows.tsv",
            "\t",
            encoding="utf-16",
        ),
        Read("classify", [labelled(umlauts(n), GERMAN[n % 3]) for n in SIXTY], said=("utf-16",)),
    ),
    Entry(
        "excel csv with empty columns and lines at the end",
        EXCEL,
        cells(
            [
                ["text", "label", "", ""],
                *([sentence(n), MOODS[n % 4], "", ""] for n in SIXTY),
                ["", "", "", ""],
                ["", "", "", ""],
            ]
        ),
        Read("classify", of_moods()),
    ),
    Entry(
        "a workbook of two sheets",
        EXCEL,
        workbook(
            {
                "Feedback": [{"Text": umlauts(n), "Label": GERMAN[n % 3]} for n in SIXTY],
                "Notes": [{"who": "Ann", "what": "checked"}],
            }
        ),
        Read(
            "classify",
            [labelled(umlauts(n), GERMAN[n % 3]) for n in SIXTY],
            said=("feedback", "notes"),
        ),
    ),
    Entry(
        "a workbook with numbers as labels and an empty cell",
        EXCEL,
        workbook(
            {
                "Sheet1": [
                    {"nr": n, "comment": sentence(n), "label": None if n == 30 else n % 3}
                    for n in SIXTY
                ]
            }
        ),
        Read(
            "classify",
            ["empty answer" if n == 30 else labelled(sentence(n), str(n % 3)) for n in SIXTY],
            {"nr": 60},
            labels=("0", "1", "2"),
        ),
    ),
    Entry(
        "google form: questions as names of columns",
        "https://support.google.com/docs/answer/2917686",
        table(
            [
                {
                    "Timestamp": f"2024/03/{1 + n % 28} 9:{n % 60:02}:00 AM GMT+1",
                    "How satisfied are you?": ("Very satisfied", "Not satisfied")[n % 2],
                    "What should we change?": sentence(n),
                }
                for n in SIXTY
            ]
        ),
        Read(
            "classify",
            [
                labelled(
                    sentence(n),
                    ("Very satisfied", "Not satisfied")[n % 2],
                    "How satisfied are you?",
                )
                for n in SIXTY
            ],
            {"Timestamp": 60},
        ),
    ),
    Entry(
        "labels by hand: case, spaces and N/A",
        EXCEL,
        table(
            [
                {
                    "text": sentence(n),
                    "label": "N/A" if n == 13 else ("joy", "joy ", "FEAR", "fear")[n % 4],
                }
                for n in SIXTY
            ]
        ),
        Read(
            "classify",
            [
                "no label (N/A)" if n == 13 else labelled(sentence(n), ("joy", "fear")[n % 4 // 2])
                for n in SIXTY
            ],
            labels=("fear", "joy"),
            said=("joy", "n/a"),
        ),
    ),
    Entry(
        "ag_news without a header line",
        "https://huggingface.co/datasets/fancyzhx/ag_news",
        table(
            [{"class": 1 + n % 4, "title": phrase(n, 2), "text": sentence(n)} for n in SIXTY],
            "train.csv",
            header=False,
        ),
        Read(
            "classify",
            [labelled(f"{phrase(n, 2)}\n{sentence(n)}", str(1 + n % 4), "Column 1") for n in SIXTY],
            said=("header",),
        ),
    ),
    Entry(
        "sms spam: label, tab, text, no header",
        "https://archive.ics.uci.edu/dataset/228/sms+spam+collection",
        table(
            [{"label": ("ham", "spam")[n % 2], "text": sentence(n)} for n in SIXTY],
            "spam.tsv",
            "\t",
            header=False,
        ),
        Read(
            "classify",
            [labelled(sentence(n), ("ham", "spam")[n % 2], "Column 1") for n in SIXTY],
            said=("header",),
        ),
    ),
    Entry(
        "a pipe between the fields",
        "https://docs.python.org/3/library/csv.html",
        table([{"text": sentence(n), "label": MOODS[n % 4]} for n in SIXTY], delimiter="|"),
        Read("classify", of_moods()),
    ),
    Entry(
        "a faq of two columns in the plural",
        "https://www.kaggle.com/datasets/saadmakhdoom/ecommerce-faq-chatbot-dataset",
        table([{"Questions": question(n), "Answers": sentence(n, 1)} for n in NUMBERS]),
        Read("qa", [asked(question(n), sentence(n, 1)) for n in NUMBERS]),
    ),
    Entry(
        "half of an emoji in one row",
        "https://www.rfc-editor.org/rfc/rfc8259#section-8.2",
        written(
            "rows.jsonl",
            b"".join(
                b'{"question": "%s", "answer": "%s"}\n'
                % (question(n).encode(), b"Well \\ud83d" if n == 11 else sentence(n, 1).encode())
                for n in NUMBERS
            ),
        ),
        Refused(("half of a character", "rows.jsonl:12")),
    ),
    Entry(
        "a web address in place of a file",
        "https://huggingface.co/docs/datasets/loading",
        lambda _folder: "https://example.org/rows.csv",  # type: ignore[arg-type, return-value]
        Refused(("https://example.org/rows.csv",), ("download",)),
    ),
    Entry(
        "one row of forty with a number in place of text",
        "https://docs.python.org/3/library/json.html",
        jsonl(
            [
                {"question": question(n), "answer": 42 if n == 20 else sentence(n, 1)}
                for n in NUMBERS
            ]
        ),
        Read("qa", [asked(question(n), "42" if n == 20 else sentence(n, 1)) for n in NUMBERS]),
    ),
)
