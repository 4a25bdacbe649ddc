"""Find a text and its label in the columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from phi3scaffold.datasets.detection.guess import Guess, Head, first_named
from phi3scaffold.datasets.reader import Row

MOST_LABELS = 50

TEXT_NAMES = (
    "text", "phrase", "sentence", "utterance", "review", "comment", "message", "content", "body",
    "title", "headline", "tweet", "query", "question", "input", "prompt",
)  # fmt: skip
LABEL_NAMES = (
    "label", "labels", "tone", "sentiment", "emotion", "category", "class", "intent", "topic",
    "target", "type", "answer", "output",
)  # fmt: skip


def classify(head: Head) -> Guess | None:
    simple = [name for name in head.columns if not isinstance(head.value(name), (list, dict))]
    label = first_named(simple, LABEL_NAMES)
    text = first_named([name for name in simple if name != label], TEXT_NAMES)
    if label is None:
        label = fewest_values(head.rows, [name for name in simple if name != text])
    if text is None:
        texts = [name for name in simple if name != label and isinstance(head.value(name), str)]
        text = max(texts, key=head.letters, default=None)
    if label is None or text is None:
        return None
    user = f"{{{text}}}\n{label.replace('_', ' ').capitalize()}:"
    said = f"`{text}` as the text, `{label}` as the label"
    return Guess("classify", said, (text,), user, f"{{{label}}}")


def fewest_values(rows: Sequence[Row], columns: Iterable[str]) -> str | None:
    """Return the column that looks most like a label: the fewest different values, at most half."""
    counts = {name: len({str(row.values.get(name)) for row in rows}) for name in columns}
    fitting = [name for name in counts if counts[name] <= min(MOST_LABELS, len(rows) / 2)]
    return min(fitting, key=counts.__getitem__, default=None)
