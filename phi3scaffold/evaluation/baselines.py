"""What a classification gets without a language model: the commonest label, and a linear model.

Term frequency times inverse document frequency of words and pairs of words, with logistic
regression, is the usual first thing to try; where it answers as well, the model was not worth it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from phi3scaffold.datasets.prepared_rows import TRAIN, Prepared, spread
from phi3scaffold.evaluation.form_metrics import share
from phi3scaffold.evaluation.questions import Questions

MOST = 20_000  # training rows the linear model sees, spread evenly over all
SEED = 0


def baselines(folder: Path, asked: Questions) -> dict[str, dict[str, Any]]:
    """The two baselines on the rows asked, learned from the published training rows.

    Args:
        folder: the published data folder.
        asked: the questions; those of free answers have no baseline.

    Returns:
        ``majority`` and ``tfidf``, each with ``accuracy`` and its ``accuracy_interval``;
        ``tfidf`` is missing where there is nothing to tell apart.
    """
    if not asked.labels:
        return {}
    train = Prepared(folder, TRAIN)
    rows = [train.conversation(index) for index in spread(len(train), MOST)]
    texts = [_text(row.messages) for row in rows]
    labels = [row.answer.strip() for row in rows]
    expected = [row.answer.strip() for row in asked.rows]
    commonest = Counter(labels).most_common(1)[0][0]
    found = {"majority": {"label": commonest, **share([commonest == label for label in expected])}}
    said = _linear(texts, labels, [_text(row.messages) for row in asked.rows])
    if said:
        right = [mine == label for mine, label in zip(said, expected, strict=True)]
        found["tfidf"] = {"rows": len(rows), **share(right)}
    return found


def _text(messages: Sequence[dict[str, str]]) -> str:
    """What the model answers to, without the system's turn."""
    return "\n".join(m["content"] for m in messages[:-1] if m["role"] != "system")


def _linear(texts: list[str], labels: list[str], asked: list[str]) -> list[str]:
    """The linear model's labels for the texts asked; [] where it cannot learn."""
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
    return [str(label) for label in model.predict(asked)]
