"""A text outside of any project's task: what a model makes of it tells what training forgot.

It was written for this package. Training on a narrow task can cost a model its general language:
the cross entropy of this text then rises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phi3scaffold.inference.forms.form import Form

READ = 8  # tokens that are read before the first one is scored
TEXT = """The ferry leaves the harbour at seven, when the fog is still lying on the water. A few
people stand at the rail and look back at the town: a teacher with a bag full of exercise books, two
carpenters who are repairing a roof on the island, and a girl who visits her grandmother every
Saturday. The captain has made this trip for thirty years. He knows where the sandbanks move after
a storm, and he keeps a notebook in which he writes down the height of the tide, the direction of
the wind and the number of seals that he has seen. In winter, when the ice is too thick, a small
plane brings bread, letters and medicine instead."""


def neutral_loss(form: Form) -> float | None:
    """Return the cross entropy of the text, in nats a token; None where it does not fit."""
    import numpy as np

    ids = form.encode_text(" ".join(TEXT.split()))
    if len(ids) > form.context or len(ids) <= READ:
        return None
    wanted = ids[READ:]
    ((_, (logits,)),) = form.score([ids[:READ]], [[wanted]])
    wide = logits.astype(np.float64)
    wide -= wide.max(-1, keepdims=True)
    own = wide[range(len(wanted)), wanted] - np.log(np.exp(wide).sum(-1))
    return float(-own.mean())
