"""What a classification reaches without a language model: the majority label, and a linear model.

Term frequency times inverse document frequency of words and pairs of words, with logistic
regression, is the usual first try; where it is as accurate, a language model is not worth its cost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from phi3scaffold.datasets.conversations import turn_text
from phi3scaffold.datasets.prepared_rows import TRAIN, Prepared, spread
from phi3scaffold.evaluation.evaluation_set import EvaluationSet
from phi3scaffold.evaluation.form_metrics import share_with_interval
from phi3scaffold.evaluation.metrics import Baseline

MOST = 20_000  # training rows that the linear model learns from, spread evenly over all
SEED = 0


def compute_baselines(folder: Path, dataset: EvaluationSet) -> dict[str, Baseline]:
    """Learn the two baselines from the prepared training rows, and measure them.

    Args:
        folder: the published data folder.
        dataset: the rows to measure on; free answers have no baseline.

    Returns:
        ``majority`` and ``tfidf``; the second is missing where there is nothing to learn.
    """
    if not dataset.labels:
        return {}
    train = Prepared(folder, TRAIN)
    rows = [train.conversation(index) for index in spread(len(train), MOST)]
    labels = [row.answer.strip() for row in rows]
    expected = [row.answer.strip() for row in dataset.rows]
    majority = Counter(labels).most_common(1)[0][0]
    hits = [majority == label for label in expected]
    baselines = {"majority": Baseline(*share_with_interval(hits), label=majority)}
    texts = [_prompt_text(row.messages) for row in rows]
    predicted = _predict(texts, labels, [_prompt_text(row.messages) for row in dataset.rows])
    if predicted:
        hits = [mine == label for mine, label in zip(predicted, expected, strict=True)]
        baselines["tfidf"] = Baseline(*share_with_interval(hits), rows=len(rows))
    return baselines


def _prompt_text(messages: Sequence[dict[str, str]]) -> str:
    """Return what the model answers to, without the system's turn."""
    return "\n".join(turn_text(m) for m in messages[:-1] if m["role"] != "system")


def _predict(texts: list[str], labels: list[str], unlabelled: list[str]) -> list[str]:
    """Return the linear model's labels for the unlabelled texts; [] where it cannot learn."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        LogisticRegression(max_iter=1000, random_state=SEED),
    )
    try:
        model.fit(texts, labels)
    except ValueError:  # one label only, or no words
        return []
    return [str(label) for label in model.predict(unlabelled)]
