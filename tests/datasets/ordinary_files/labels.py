"""Texts and labels: public datasets and the exports of labelling tools."""

from __future__ import annotations

import json

from .content import array, jsonl, parquet, phrase, question, sentence, table
from .conversations import NUMBERS
from .entry import Entry, Read, Refused, labelled

HUB = "https://huggingface.co/docs/datasets/process#export"
PANDAS = "https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.to_json.html"
GLUE = "https://huggingface.co/datasets/nyu-mll/glue"
LABEL_STUDIO = "https://labelstud.io/guide/export.html"
MOODS = ("joy", "anger", "calm", "fear")
SIXTY = range(60)
BY_NUMBER = [labelled(sentence(n), str(n % 4)) for n in SIXTY]
FEATURES = {
    "info": {
        "features": {
            "text": {"dtype": "string", "_type": "Value"},
            "label": {"names": list(MOODS), "_type": "ClassLabel"},
        }
    }
}


def moods(text: str = "text", label: str = "label") -> list[dict]:
    return [{text: sentence(n), label: MOODS[n % 4]} for n in SIXTY]


def of_moods(heading: str = "Label") -> list:
    return [labelled(sentence(n), MOODS[n % 4], heading) for n in SIXTY]


def numbered(label: str = "label") -> list[dict]:
    return [{"text": sentence(n), label: n % 4} for n in SIXTY]


INTENTS = [f"ask_{phrase(n, 4).split()[-1]}_{n}" for n in range(77)]

ENTRIES = (
    Entry(
        "tweet_eval: numbers as labels in jsonl",
        "https://huggingface.co/datasets/cardiffnlp/tweet_eval",
        jsonl(numbered()),
        Read("classify", BY_NUMBER, labels=("0", "1", "2", "3")),
    ),
    Entry(
        "the same as a json array on one line",
        HUB,
        array(numbered(), indent=None),
        Read("classify", BY_NUMBER),
    ),
    Entry("the same in csv", HUB, table(numbered()), Read("classify", BY_NUMBER)),
    Entry("the same in parquet", HUB, parquet(numbered()), Read("classify", BY_NUMBER)),
    Entry(
        "parquet of `datasets` with the names of its ClassLabel",
        "https://huggingface.co/docs/datasets/about_dataset_features",
        parquet(numbered(), {"huggingface": json.dumps(FEATURES)}),
        Read("classify", of_moods(), labels=tuple(sorted(MOODS))),
    ),
    Entry(
        "pandas: labels that became floats, one of them NaN",
        PANDAS,
        jsonl(
            [
                {"text": sentence(n), "label": float("nan") if n == 7 else float(n % 4)}
                for n in SIXTY
            ]
        ),
        Read(
            "classify", ["empty answer" if n == 7 else turns for n, turns in enumerate(BY_NUMBER)]
        ),
    ),
    Entry(
        "a boolean target in jsonl, null in one row of sixty",
        PANDAS,
        jsonl([{"comment": sentence(n), "toxic": None if n == 41 else n % 3 == 0} for n in SIXTY]),
        Read(
            "classify",
            [
                "empty answer" if n == 41 else labelled(sentence(n), str(n % 3 == 0), "Toxic")
                for n in SIXTY
            ],
        ),
    ),
    Entry(
        "a boolean target in csv, as pandas writes it",
        "https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.to_csv.html",
        table([{"Unnamed: 0": n, "comment": sentence(n), "toxic": n % 3 == 0} for n in SIXTY]),
        Read(
            "classify",
            [labelled(sentence(n), str(n % 3 == 0), "Toxic") for n in SIXTY],
            {"Unnamed: 0": 60},
        ),
    ),
    Entry(
        "pandas orient=records", PANDAS, array(moods(), indent=None), Read("classify", of_moods())
    ),
    Entry(
        "pandas orient=columns",
        PANDAS,
        array(
            {key: {str(n): row[key] for n, row in enumerate(moods())} for key in ("text", "label")}
        ),
        Refused(("orient", "rows.json"), ("records",)),
    ),
    Entry(
        "pandas orient=split",
        PANDAS,
        array(
            {
                "columns": ["text", "label"],
                "index": list(SIXTY),
                "data": [list(row.values()) for row in moods()],
            }
        ),
        Refused(("orient", "rows.json"), ("records",)),
    ),
    Entry(
        "pandas orient=index",
        PANDAS,
        array({str(n): row for n, row in enumerate(moods())}),
        Refused(("orient", "rows.json"), ("records",)),
    ),
    Entry(
        "snli: two sentences, and - where the annotators disagree",
        "https://nlp.stanford.edu/projects/snli/",
        jsonl(
            [
                {
                    "annotator_labels": ["neutral"],
                    "captionID": f"{n}.jpg#0",
                    "gold_label": "-" if n % 20 == 9 else ("entailment", "neutral")[n % 2],
                    "pairID": f"{n}.jpg#0r1n",
                    "sentence1": sentence(n),
                    "sentence2": sentence(n, 2),
                }
                for n in SIXTY
            ]
        ),
        Read(
            "classify",
            [
                "no label (-)"
                if n % 20 == 9
                else labelled(
                    f"{sentence(n)}\n{sentence(n, 2)}",
                    ("entailment", "neutral")[n % 2],
                    "Gold label",
                )
                for n in SIXTY
            ],
            dict.fromkeys(("annotator_labels", "captionID", "pairID"), 60),
            said=("sentence1", "sentence2"),
        ),
    ),
    Entry(
        "glue mrpc as tsv",
        GLUE,
        table(
            [
                {"idx": n, "sentence1": sentence(n), "sentence2": sentence(n, 2), "label": n % 2}
                for n in SIXTY
            ],
            "train.tsv",
            "\t",
        ),
        Read(
            "classify",
            [labelled(f"{sentence(n)}\n{sentence(n, 2)}", str(n % 2)) for n in SIXTY],
            {"idx": 60},
        ),
    ),
    Entry(
        "glue qqp: two questions",
        GLUE,
        parquet(
            [
                {"question1": question(n), "question2": question(n, 2), "is_duplicate": n % 2}
                for n in SIXTY
            ]
        ),
        Read(
            "classify",
            [
                labelled(f"{question(n)}\n{question(n, 2)}", str(n % 2), "Is duplicate")
                for n in SIXTY
            ],
        ),
    ),
    Entry(
        "banking77: 77 intents",
        "https://huggingface.co/datasets/PolyAI/banking77",
        table([{"text": question(n), "category": INTENTS[n % 77]} for n in range(231)]),
        Read(
            "classify",
            [labelled(question(n), INTENTS[n % 77], "Category") for n in range(231)],
            labels=tuple(sorted(INTENTS)),
        ),
    ),
    Entry(
        "amazon reviews: stars as the label",
        "https://huggingface.co/datasets/mteb/amazon_reviews_multi",
        jsonl(
            [
                {
                    "review_id": f"en_{n * 7919:07}",
                    "stars": 1 + n % 5,
                    "review_body": f"{sentence(n)} {sentence(n, 2)}",
                    "review_title": phrase(n, 3),
                    "language": "en",
                }
                for n in SIXTY
            ]
        ),
        Read(
            "classify",
            [
                labelled(f"{sentence(n)} {sentence(n, 2)}\n{phrase(n, 3)}", str(1 + n % 5), "Stars")
                for n in SIXTY
            ],
            {"review_id": 60, "language": 60},
            labels=("1", "2", "3", "4", "5"),
        ),
    ),
    Entry(
        "imdb reviews",
        "https://www.kaggle.com/datasets/lakshmi25npathi/imdb-dataset-of-50k-movie-reviews",
        table(
            [
                {
                    "review": f"{sentence(n)}<br />{sentence(n, 2)}",
                    "sentiment": ("positive", "negative")[n % 2],
                }
                for n in SIXTY
            ]
        ),
        Read(
            "classify",
            [
                labelled(
                    f"{sentence(n)}<br />{sentence(n, 2)}",
                    ("positive", "negative")[n % 2],
                    "Sentiment",
                )
                for n in SIXTY
            ],
        ),
    ),
    Entry(
        "label studio csv",
        LABEL_STUDIO,
        table(
            [
                {
                    "annotation_id": 900 + n,
                    "annotator": 1,
                    "created_at": "2024-03-05T10:11:12.123456Z",
                    "id": 400 + n,
                    "lead_time": 1.5 + n,
                    "sentiment": ("Positive", "Negative", "Neutral")[n % 3],
                    "text": sentence(n),
                    "updated_at": "2024-03-05T10:11:12.123456Z",
                }
                for n in SIXTY
            ]
        ),
        Read(
            "classify",
            [
                labelled(sentence(n), ("Positive", "Negative", "Neutral")[n % 3], "Sentiment")
                for n in SIXTY
            ],
            dict.fromkeys(
                ("annotation_id", "annotator", "created_at", "id", "lead_time", "updated_at"), 60
            ),
        ),
    ),
    Entry(
        "label studio json with its results",
        LABEL_STUDIO,
        array(
            [
                {
                    "id": n,
                    "annotations": [
                        {
                            "id": n,
                            "result": [{"value": {"choices": ["Positive"]}, "type": "choices"}],
                        }
                    ],
                    "data": {"text": sentence(n)},
                }
                for n in NUMBERS
            ]
        ),
        Refused(("annotations",), ("json-min",)),
    ),
    Entry(
        "doccano classification: a list of labels",
        "https://doccano.github.io/doccano/tutorial/",
        jsonl([{"id": n, "text": sentence(n), "label": [MOODS[n % 4]]} for n in SIXTY]),
        Refused(("label", "list"), ("one label",)),
    ),
    Entry(
        "doccano spans",
        "https://doccano.github.io/doccano/tutorial/",
        jsonl([{"id": n, "text": sentence(n), "label": [[0, 9, "PERSON"]]} for n in SIXTY]),
        Refused(("span",)),
    ),
    Entry(
        "prodigy spans",
        "https://prodi.gy/docs/api-interfaces",
        jsonl(
            [
                {
                    "text": sentence(n),
                    "spans": [{"start": 0, "end": 9, "label": "PERSON"}],
                    "tokens": [{"text": "The", "start": 0, "end": 3, "id": 0}],
                    "_input_hash": n,
                    "answer": "accept",
                }
                for n in SIXTY
            ]
        ),
        Refused(("span",)),
    ),
    Entry(
        "prodigy categories, some rejected",
        "https://prodi.gy/docs/text-classification",
        jsonl(
            [
                {
                    "text": sentence(n),
                    "label": MOODS[n % 4],
                    "_task_hash": n * 31,
                    "answer": "reject" if n % 5 == 0 else "accept",
                }
                for n in SIXTY
            ]
        ),
        Refused(("answer", "reject"), ("accept",)),
    ),
    Entry(
        "conll: tokens and tags",
        "https://huggingface.co/datasets/eriktks/conll2003",
        parquet(
            [
                {
                    "id": str(n),
                    "tokens": sentence(n).split(),
                    "ner_tags": [0] * len(sentence(n).split()),
                }
                for n in NUMBERS
            ]
        ),
        Refused(("span", "ner_tags")),
    ),
)
