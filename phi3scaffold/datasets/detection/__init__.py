"""Rows come in; what they are comes out: which columns ask, which answer, and for which task."""

from phi3scaffold.datasets.detection.detector import guess, is_labelled, task_of, with_held_out
from phi3scaffold.datasets.detection.guess import Guess

__all__ = ["Guess", "guess", "is_labelled", "task_of", "with_held_out"]
