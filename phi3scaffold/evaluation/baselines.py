"""What is reached without a language model: a floor for what ships.

Of labels: the majority label, and a linear model. Term frequency times inverse document frequency
of words and pairs of words, with logistic regression, is the usual first try; where it is as
accurate, a language model is not worth its cost. Of free answers: the answer of the training prompt
that is nearest by the same weights, which a search engine would give.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi3scaffold.datasets.conversations import turn_text
from phi3scaffold.datasets.prepared_rows import TRAIN, Prepared, spread
from phi3scaffold.evaluation.chrf import chrf
from phi3scaffold.evaluation.evaluation_set import EvaluationSet
from phi3scaffold.evaluation.form_metrics import share_with_interval
from phi3scaffold.evaluation.metrics import Baseline
from phi3scaffold.evaluation.rouge import rouge_l

MOST = 20_000  # training rows that are learned from, spread evenly over all
CHUNK = 64  # rows whose neighbours are looked for at once
SEED = 0


@dataclass(frozen=True)
class BaselineAnswers:
    """A baseline.

    Attributes:
        metrics: what is written of it.
        answers: to each row of the evaluation.
    """

    metrics: Baseline
    answers: list[str]


def compute_baselines(folder: Path, dataset: EvaluationSet) -> dict[str, BaselineAnswers]:
    """Learn the baselines from the prepared training rows, and answer with them.

    Args:
        folder: the published data folder.
        dataset: the rows to answer.

    Returns:
        Of labels ``majority`` and ``tfidf``, of free answers ``nearest``; the last two are missing
        where there is nothing to learn.
    """
    train = Prepared(folder, TRAIN)
    rows = [train.conversation(index) for index in spread(len(train), MOST)]
    answers = [row.answer.strip() for row in rows]
    texts = [_prompt_text(row.messages) for row in rows]
    asked = [_prompt_text(row.messages) for row in dataset.rows]
    if not dataset.labels:
        found = {"nearest": _nearest(texts, answers, asked)}
    else:
        majority = Counter(answers).most_common(1)[0][0]
        found = {
            "majority": [majority] * len(asked),
            "tfidf": _predict(texts, answers, asked),
        }
    baselines = {}
    for name, its in found.items():
        if its:
            baselines[name] = BaselineAnswers(_metrics(name, its, len(rows), dataset), its)
    return baselines


def _metrics(name: str, answers: list[str], rows: int, dataset: EvaluationSet) -> Baseline:
    expected = [row.answer.strip() for row in dataset.rows]
    hits = [mine == its for mine, its in zip(answers, expected, strict=True)]
    metrics = Baseline(*share_with_interval(hits))
    if name == "majority":
        metrics.label = answers[0]
    else:
        metrics.rows = rows
    if name == "nearest":
        metrics.rouge_l = statistics.fmean(rouge_l(answers, expected))
        metrics.chrf = statistics.fmean(chrf(answers, expected))
    return metrics


def _vectorizer() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)


def _nearest(texts: list[str], answers: list[str], asked: list[str]) -> list[str]:
    """Return the answers of the nearest training prompts; [] where there are no words."""
    vectorizer = _vectorizer()
    try:
        known = vectorizer.fit_transform(texts)
    except ValueError:
        return []
    wanted, found = vectorizer.transform(asked), []
    for start in range(0, len(asked), CHUNK):
        likeness = (wanted[start : start + CHUNK] @ known.T).toarray()
        found += [answers[place] for place in likeness.argmax(axis=1).tolist()]
    return found


def _prompt_text(messages: Sequence[dict[str, str]]) -> str:
    """Return what the model answers to, without the system's turn."""
    return "\n".join(turn_text(m) for m in messages[:-1] if m["role"] != "system")


def _predict(texts: list[str], labels: list[str], unlabelled: list[str]) -> list[str]:
    """Return the linear model's labels for the unlabelled texts; [] where it cannot learn."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(
        _vectorizer(),
        LogisticRegression(max_iter=1000, random_state=SEED),
    )
    try:
        model.fit(texts, labels)
    except ValueError:  # one label only, or no words
        return []
    return [str(label) for label in model.predict(unlabelled)]
