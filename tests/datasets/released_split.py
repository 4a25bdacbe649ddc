"""Rows, and which of them versions 0.1.0 and 0.2.0 hold out: a project keeps its held-out rows."""

from __future__ import annotations

from tests.datasets.conftest import LABELS, Rows, different


def rows() -> Rows:
    """300 rows: single ones, the same prompt with two answers, the same prompt but for a word."""
    texts = different(260, seed=8)
    made = [{"phrase": text, "tone": LABELS[place % 3]} for place, text in enumerate(texts)]
    made += [dict(row, tone=LABELS[(place + 1) % 3]) for place, row in enumerate(made[:20])]
    made += [
        {"phrase": f"{text} {other} here now", "tone": "calm"}
        for text in different(10, seed=9, words=17)
        for other in ("left", "right")
    ]
    return made


# (task, share, seed) -> lines of rows() that they hold out
# fmt: off
HELD_OUT = {
    ("classify", 0.2, 42): (
        1, 2, 17, 19, 20, 24, 29, 37, 40, 49, 50, 56, 59, 70, 72, 74, 78, 85, 94, 96, 110,
        111, 115, 116, 117, 123, 136, 137, 142, 147, 153, 159, 161, 163, 175, 177, 179,
        180, 181, 184, 192, 200, 204, 210, 218, 220, 221, 226, 229, 230, 237, 242, 243,
        261, 262, 277, 279, 280, 295, 296,
    ),
    ("classify", 0.2, 7): (
        9, 10, 15, 17, 19, 21, 22, 33, 36, 38, 40, 41, 44, 45, 60, 63, 65, 72, 78, 81, 91,
        92, 97, 100, 105, 107, 114, 124, 127, 143, 148, 151, 158, 161, 163, 164, 173, 180,
        181, 201, 202, 209, 211, 213, 216, 223, 226, 237, 239, 241, 242, 246, 249, 252,
        254, 269, 270, 275, 277, 279,
    ),
    ("qa", 0.2, 42): (
        1, 2, 13, 17, 19, 20, 24, 29, 37, 40, 49, 50, 56, 59, 70, 72, 74, 78, 85, 94, 96,
        110, 111, 115, 116, 117, 123, 137, 142, 147, 153, 158, 159, 161, 163, 175, 177,
        179, 180, 181, 184, 192, 200, 204, 210, 218, 220, 221, 226, 230, 242, 243, 261,
        262, 273, 277, 279, 280, 295, 296,
    ),
    ("qa", 0.2, 7): (
        9, 10, 15, 17, 19, 21, 22, 33, 36, 38, 40, 41, 44, 45, 60, 65, 72, 78, 81, 91, 92,
        97, 100, 105, 107, 114, 124, 127, 145, 148, 151, 158, 161, 163, 164, 173, 175,
        180, 181, 201, 202, 209, 211, 213, 216, 223, 226, 237, 239, 241, 242, 246, 249,
        252, 254, 269, 270, 275, 277, 279,
    ),
}
# fmt: on
