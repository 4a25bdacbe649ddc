"""Rows come in; what they are comes out: which columns ask, which answer, and for which task."""

from phi3scaffold.datasets.detection.detector import guess, is_labelled, with_held_out
from phi3scaffold.datasets.detection.guess import Guess
from phi3scaffold.datasets.detection.named_columns import NamedColumns

__all__ = ["Guess", "NamedColumns", "guess", "is_labelled", "with_held_out"]
