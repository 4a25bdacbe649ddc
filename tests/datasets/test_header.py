"""A first row that names the columns is told from one that is a row."""

from __future__ import annotations

import csv
import io

import pytest

from phi3scaffold.datasets.formats.header import is_row

TEXTS = (
    "I love this phone, it is great.",
    "The battery died after a week",
    "Not what I ordered at all!",
    "Fine for the price",
    "Would buy again, thanks",
    "It came late and broken",
)


def rows(*columns: str) -> str:
    """Six rows; a column is ``text``, a list of values with bars, or a pattern with {n}."""
    cells = []
    for n in range(6):
        row = []
        for column in columns:
            if column == "text":
                row.append(TEXTS[n])
            elif "|" in column:
                row.append(column.split("|")[n % len(column.split("|"))])
            else:
                row.append(column.format(n=n, m=n * n + 3))
        cells.append(row)
    out = io.StringIO()
    csv.writer(out).writerows(cells)
    return out.getvalue()


# a header, and the rows below it
HEADERS = {
    "text and label": ("text,label", rows("text", "joy|fear")),
    "capitals": ("TEXT,LABEL", rows("text", "joy|fear")),
    "unknown words": ("Spruch,Ton", rows("text", "froh|traurig")),
    "another script": ("\u6587\u672c,\u6807\u7b7e", rows("text", "joy|fear")),
    "question and answer": ("question,answer", rows("What is {n} and {n}?", "It is {m}.")),
    "numbers as labels": ("review,stars", rows("text", "1|5")),
    "numbers below a name of our own": ("Bewertung,Note", rows("text", "1|5")),
    "a label of one letter": ("x,y", rows("text", "a|b")),
    "pandas' names": ("0,1", rows("text", "0|1")),
    "pandas' names from one": ("1,2,3", rows("text", "0|1", "{n}")),
    "pandas' index and names": (",0,1", rows("{n}", "text", "0|1")),
    "pandas' index": (",text,label", rows("{n}", "text", "0|1")),
    "a series of labels": (",0", rows("{n}", "0|1")),
    "Unnamed": ("Unnamed: 0,message,is_spam", rows("{n}", "text", "True|False")),
    "years": ("region,2019,2020,2021", rows("a{n}", "{n}", "{m}", "{n}")),
    "one year": ("Region,2019", rows("a{n}", "{m}")),
    "one number": ("Region,53", rows("a{n}", "{m}")),
    "limits": ("Stoff,10,50,100", rows("a{n}", "{n}", "{m}", "{n}")),
    "days": ("shop,2024-01-01,2024-01-02", rows("a{n}", "{n}", "{m}")),
    "a form": (
        "Timestamp,What is your question?,Which team is it for?",
        rows("2024/01/0{n} 10:0{n}", "What about {n}?", "sales|support"),
    ),
    "a form without times": (
        "Please tell us in your own words what happened to your order.,Which team is it for?",
        rows("text", "sales|support"),
    ),
    "choices that were ticked": ("Who are you?,Email,Phone", rows("a{n}", "Email|", "Phone|")),
    "a repeated header": ("phrase,tone", rows("text", "joy|fear") + "phrase,tone\n"),
    "snake case": ("ticket_subject,ticket_queue", rows("text", "billing|sales")),
    "camel case": ("ticketBody,isUrgent", rows("text", "yes|no")),
    "one column": ("prompt", rows("text")),
    "texts only": ("en,de", rows("text", "Das ist Satz {n}.")),
    "short texts": ("word,meaning", rows("w{n}", "m{n}")),
    "few rows": ("a,b", "a,b\nc,b\n"),
    "rows with gaps": ("Betreff,Art", rows("text", "|Frage|Lob")),
    "labels like a name": ("Text,Class", rows("text", "Class A|Class B")),
    "ids": ("uid,body", rows("u-{n}{m}", "text")),
    "addresses": ("Link,Urteil", rows("https://a.example/{n}", "gut|schlecht")),
    "alpaca": ("instruction,input,output", rows("Do {n}", "|x", "Done {m}")),
    "long names": (
        "How satisfied are you with our service on a scale from one to five?,Why is that so?",
        rows("1|5", "text"),
    ),
}
DATA = {
    "Sentiment140": rows(
        "0|4", "14678{n}0", "Mon Apr 06 22:19:0{n} PDT 2009", "NO_QUERY", "u{n}", "text"
    ),
    "label last": rows("text", "joy|fear"),
    "label first": rows("joy|fear", "text"),
    "fastText": rows("__label__joy|__label__fear", "text"),
    "AG News": rows("3|1", "text", "What happened on day {n}, as told by those who saw it."),
    "numbers as answers": rows("What is {n} and {n}?", "{m}"),
    "ratings": rows("text", "5|1|3"),
    "fractions": rows("text", "0.{m}"),
    "booleans": rows("text", "True|False"),
    "capital booleans": rows("TRUE|FALSE", "text"),
    "spam": rows("ham|spam", "text"),
    "three columns": rows("{n}", "text", "joy|fear"),
    "an index": rows("{n}", "text", "Positive|Negative"),
    "dates": rows("2024-01-0{n}", "text"),
    "dates in words": rows("text", "Tue Mar 0{n} 10:00:00 2020"),
    "dates with dots": rows("0{n}.03.2024", "text", "gut|schlecht"),
    "times": rows("10:0{n}", "text"),
    "addresses": rows("https://a.example/{n}", "text"),
    "mail addresses": rows("text", "a{n}@b.example", "c{n}"),
    "intents": rows("text", "card_arrival|lost_card"),
    "intents in words": rows("text", "card arrival|lost card"),
    "a missing first label": rows("{n}", "text", "?|joy|fear"),
    "short texts": rows("ok {n}", "yes|no"),
    "labels in capitals": rows("text", "BUG|FEATURE"),
    "two labels": rows("text", "billing|sales", "high|low"),
    "labels that look like names": rows("text", "question|answer"),
    "another language": rows("\u4eca\u5929\u5929\u6c14{n}", "\u559c|\u60b2"),
    "a score with signs": rows("-{m}|+{m}", "text"),
    "percentages": rows("text", "{m}%"),
    "one empty column": rows("text", "", "joy|fear"),
}


def _table(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_is_never_taken_for_a_row(name: str) -> None:
    header, below = HEADERS[name]
    first, *rest = _table(f"{header}\n{below}")
    assert not is_row(first, rest)


@pytest.mark.parametrize("name", DATA)
def test_a_row_without_header_is_seen(name: str) -> None:
    first, *rest = _table(DATA[name])
    assert is_row(first, rest)


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("header", ["text,label", "Spruch,Ton", "a,b", "0,1"])
def test_the_same_rows_with_a_header(name: str, header: str) -> None:
    rest = _table(DATA[name])
    names = [f"{header.split(',')[n % 2]}{n // 2 or ''}" for n in range(len(rest[0]))]
    if header == "0,1":
        names = [str(n) for n in range(len(rest[0]))]
    assert not is_row(names, rest)


def test_too_few_rows_prove_nothing() -> None:
    assert not is_row(["joy", "a"], [["fear", "b"], ["joy", "c"]])
