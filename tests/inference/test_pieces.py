"""Streaming loses no character and never shows half of one."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from phi3scaffold.inference.forms.form import UNFINISHED, pieces


def whole(ids: Sequence[int]) -> str:
    """A decoder whose tokens are bytes, as Hugging Face decodes broken ones."""
    return bytes(ids).decode("utf-8", errors="replace")


def truncating(ids: Sequence[int]) -> str:
    """As ONNX Runtime GenAI decodes: nothing behind the first broken byte."""
    text = whole(ids)
    return text[: text.index(UNFINISHED) + 1] if UNFINISHED in text else text


@pytest.mark.parametrize("decode", [whole, truncating])
def test_no_character_is_lost_or_halved(decode) -> None:
    chance = random.Random(5)
    for _ in range(200):
        text = "".join(chance.choice("ab é日😀👍🏽\n ") for _ in range(chance.randint(0, 30)))
        made = list(pieces(text.encode(), decode))
        assert "".join(made) == text
        assert all(piece and UNFINISHED not in piece for piece in made)


def test_each_piece_comes_as_soon_as_it_is_certain() -> None:
    read: list[int] = []

    def source():
        for byte in "né".encode():
            read.append(byte)
            yield byte

    words = pieces(source(), whole)
    assert next(words) == "n"
    assert len(read) == 1
    assert next(words) == "é"


def test_broken_bytes_do_not_swallow_what_follows() -> None:
    ids = [*b"good ", 0xFF, *b"and all the rest of it", 0xC3]
    made = "".join(pieces(ids, truncating))
    assert made.startswith("good ") and made.endswith("and all the rest of it" + UNFINISHED)


def test_a_space_that_only_a_beginning_lacks_is_kept() -> None:
    words = {1: " one", 2: " two", 3: " three"}

    def decode(ids: Sequence[int]) -> str:
        return "".join(words[i] for i in ids).removeprefix(" ")

    assert "".join(pieces([1, 2, 3, 1], decode)) == "one two three one"


def test_ids_without_text_are_passed_over() -> None:
    def decode(ids: Sequence[int]) -> str:
        return "".join("x" for i in ids if i)

    assert list(pieces([0, 1, 0, 0, 1, 0], decode)) == ["x", "x"]
    assert list(pieces([0] * 30, decode)) == []
