"""Labels that are more or less than one for a text, and questions with choices."""

from __future__ import annotations

from .content import Row, jsonl, phrase, question, sentence, table, written
from .conversations import NUMBERS
from .entry import Entry, Read, Refused, labelled

KAGGLE = "https://www.kaggle.com/docs/datasets"
CONLL = "https://www.clips.uantwerpen.be/conll2003/ner/"
KINDS = ("refund", "delivery", "praise")
SIXTY = range(60)


def two_of(n: int) -> list[str]:
    """One label or two, so that each comes alone and beside others."""
    return sorted({KINDS[n % 3], KINDS[n // 3 % 3]})


def joined(mark: str, column: str) -> list[Row]:
    return [{"text": sentence(n), column: mark.join(two_of(n))} for n in SIXTY]


def tagged(n: int) -> list[tuple[str, str]]:
    words = sentence(n).split()
    return [(word, "B-PER" if place == 1 else "O") for place, word in enumerate(words)]


TWO = "delivery;refund"
WORDS = [pair for n in range(9) for pair in tagged(n)]
BY_WORD = "".join("".join(f"{w} NN {t}\n" for w, t in tagged(n)) + "\n" for n in range(9))
CHOICES = [{"q": question(n), "c": [phrase(n, salt) for salt in (1, 2, 3, 4)]} for n in SIXTY]

ENTRIES = (
    Entry(
        "several labels with semicolons between",
        KAGGLE,
        table(joined(";", "labels")),
        Refused(("several labels", TWO), ("--answer labels", "--task qa")),
    ),
    Entry(
        "several labels with semicolons, learned as they are",
        KAGGLE,
        table(joined(";", "labels")),
        Read("classify", [labelled(sentence(n), ";".join(two_of(n)), "Labels") for n in SIXTY]),
        ("--answer", "labels"),
    ),
    Entry(
        "several tags with bars between",
        KAGGLE,
        jsonl(joined("|", "tags")),
        Refused(("several labels", "`tags`"), ("--answer tags",)),
    ),
    Entry(
        "several categories with commas between",
        KAGGLE,
        table(joined(", ", "category")),
        Refused(("several labels", "`category`"), ("one label per row",)),
    ),
    Entry(
        "labels with commas of their own",
        KAGGLE,
        table([{"text": sentence(n), "label": ("Oil, gas", "Arts & toys", "Food")[n % 3]}
               for n in SIXTY]),
        Read("classify", [labelled(sentence(n), ("Oil, gas", "Arts & toys", "Food")[n % 3])
                          for n in SIXTY]),
    ),
    Entry(
        "lists of labels as pandas writes them in csv",
        "https://huggingface.co/datasets/google-research-datasets/go_emotions",
        table([{"text": sentence(n), "labels": str([n % 5] if n % 3 else [n % 5, 7])}
               for n in SIXTY]),
        Refused(("list of labels",), ("without brackets",)),
    ),
    Entry(
        "a column of 0 and 1 for each label",
        "https://www.kaggle.com/c/jigsaw-toxic-comment-classification-challenge",
        table([{"id": f"{n * 7919:016x}", "comment_text": sentence(n), "toxic": n % 2,
                "obscene": n % 3 // 2, "insult": n % 5 // 4} for n in SIXTY]),
        Refused(("column of 0 and 1", "`toxic`, `obscene` and `insult`"), ("--answer toxic",)),
    ),
    Entry(
        "one of the columns of 0 and 1",
        "https://www.kaggle.com/c/jigsaw-toxic-comment-classification-challenge",
        table([{"comment_text": sentence(n), "toxic": n % 2, "obscene": n % 3 // 2,
                "insult": n % 5 // 4} for n in SIXTY]),
        Read("classify", [labelled(sentence(n), str(n % 2), "Toxic") for n in SIXTY],
             {"obscene": 60, "insult": 60}),
        ("--answer", "toxic"),
    ),
    Entry(
        "conll in a text file",
        CONLL,
        written("train.txt", f"-DOCSTART- -X- O\n\n{BY_WORD}".encode()),
        Refused(("train.txt", "a tag for each word"), ("each sentence",)),
    ),
    Entry(
        "conll by its own ending",
        CONLL,
        written("eng.conll", BY_WORD.encode()),
        Refused(("eng.conll", "a tag for each word"), ("each sentence",)),
    ),
    Entry(
        "a row for each word, with its tag",
        "https://www.kaggle.com/datasets/abhinavwalia95/entity-annotated-corpus",
        table([{"Sentence #": "Sentence: 1" if not n else "", "Word": word, "Tag": tag}
               for n, (word, tag) in enumerate(WORDS)], encoding="cp1252"),
        Refused(("each row is one word", "`tag`"), ("question and answer",)),
    ),
    Entry(
        "tags of all words in one cell",
        CONLL,
        table([{"text": sentence(n), "labels": " ".join(tag for _, tag in tagged(n))}
               for n in SIXTY]),
        Refused(("span annotations", "tag for each word"), ("question and answer",)),
    ),
    Entry(
        "fasttext",
        "https://fasttext.cc/docs/en/supervised-tutorial.html",
        written("train.txt", "".join(f"__label__{KINDS[n % 3]} {sentence(n)}\n"
                                     for n in SIXTY).encode()),
        Refused(("__label__",), ("text and label",)),
    ),
    Entry(
        "mmlu: choices in a list, the answer by its number",
        "https://huggingface.co/datasets/cais/mmlu",
        jsonl([{"question": row["q"], "choices": row["c"], "answer": n % 4}
               for n, row in enumerate(CHOICES)]),
        Refused(("questions with choices", "`answer`", "`choices`"), ("as one text",)),
    ),
    Entry(
        "arc: choices in an object, the answer by its letter",
        "https://huggingface.co/datasets/allenai/ai2_arc",
        jsonl([{"id": str(n), "question": row["q"],
                "choices": {"text": row["c"], "label": [*"ABCD"]}, "answerKey": "ABCD"[n % 4]}
               for n, row in enumerate(CHOICES)]),
        Refused(("questions with choices", "`answerkey`"), ("as one text",)),
    ),
    Entry(
        "choices in columns A to D",
        KAGGLE,
        table([{"question": row["q"], **dict(zip("ABCD", row["c"], strict=True)),
                "answer": "ABCD"[n % 4]} for n, row in enumerate(CHOICES)]),
        Read("classify", [
            labelled(
                "\n".join([row["q"], *(f"{mark}: {text}" for mark, text in
                                       zip("ABCD", row["c"], strict=True))]),
                "ABCD"[n % 4],
                "Answer",
            )
            for n, row in enumerate(CHOICES)
        ]),
    ),
    Entry(
        "stsb: two sentences and how alike they are",
        "https://huggingface.co/datasets/sentence-transformers/stsb",
        table([{"sentence1": sentence(n), "sentence2": sentence(n, 1), "score": n * 37 % 50 / 10.3}
               for n in SIXTY]),
        Refused(("`score`", "as a label"), ("a few labels",)),
    ),
    Entry(
        "a chatbot's intents",
        "https://www.kaggle.com/datasets/niraliivaghani/chatbot-dataset",
        jsonl([{"tag": KINDS[n % 3], "patterns": [question(n), question(n, 1)],
                "responses": [sentence(n, 2)]} for n in NUMBERS]),
        Refused(("many questions", "`patterns`"), ("a row of its own",)),
    ),
    Entry(
        "airline tweets: a label by its name among columns of few values",
        "https://www.kaggle.com/datasets/crowdflower/twitter-airline-sentiment",
        table([{"tweet_id": 10**15 + n * 7919, "airline_sentiment": KINDS[n % 3],
                "airline_sentiment_confidence": 1 - n / 100, "airline": ("Delta", "United")[n % 2],
                "text": sentence(n), "user_timezone": ("Quito", "Lima")[n // 2 % 2]}
               for n in SIXTY]),
        Read("classify", [labelled(sentence(n), KINDS[n % 3], "Airline sentiment") for n in SIXTY],
             dict.fromkeys(
                 ("tweet_id", "airline_sentiment_confidence", "airline", "user_timezone"), 60)),
    ),
    Entry(
        "amazon reviews: codes and names are neither text nor label",
        "https://cseweb.ucsd.edu/~jmcauley/datasets/amazon/links.html",
        jsonl([{"asin": f"B{n % 25:05}KX7", "reviewerName": f"J. Doe {n}",
                "reviewText": sentence(n), "overall": float(n % 5 + 1)} for n in SIXTY]),
        Read("classify", [labelled(sentence(n), str(n % 5 + 1), "Overall") for n in SIXTY],
             {"asin": 60, "reviewerName": 60}),
    ),
    Entry(
        "incidents: the group before the priority, no callers",
        "https://www.servicenow.com/docs/bundle/platform-administration/page/administer/"
        "exporting-data/concept/c_ExportData.html",
        table([{"short_description": phrase(n), "description": sentence(n, 1),
                "priority": f"{n % 4} - P", "assignment_group": KINDS[n % 3],
                "caller_id": f"User {n % 50}"} for n in SIXTY]),
        Read("classify", [labelled(f"{phrase(n)}\n{sentence(n, 1)}", KINDS[n % 3],
                                   "Assignment group") for n in SIXTY],
             {"priority": 60, "caller_id": 60}, said=("--answer priority",)),
    ),
    Entry(
        "labels with signs of no width",
        "https://www.unicode.org/reports/tr36/",
        table([{"text": sentence(n), "label": KINDS[n % 3] + ("\u200b" if n % 6 == 0 else "")}
               for n in SIXTY]),
        Read("classify", [labelled(sentence(n), KINDS[n % 3]) for n in SIXTY],
             said=("10 rows read as refund",)),
    ),
    Entry(
        "labels that are errors of formulas, and mysql's missing values",
        "https://dev.mysql.com/doc/refman/8.4/en/load-data.html",
        table([{"text": sentence(n), "label": {0: "#REF!", 20: "\\N", 40: "(null)"}.get(
            n, KINDS[n % 3])} for n in SIXTY]),
        Read("classify", [
            {0: "no label (#REF!)", 20: "no label (\\N)", 40: "no label ((null))"}.get(n)
            or labelled(sentence(n), KINDS[n % 3]) for n in SIXTY
        ], said=("3 rows left out: no label",)),
    ),
)  # fmt: skip
