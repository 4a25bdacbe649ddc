"""Conversations become token ids and labels, by the tokenizer's own chat template.

Loss falls on the assistant's words and on the token that ends the turn, so that the model learns
to stop; on nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from phi3scaffold.errors import ScaffoldError
from phi3scaffold.rows.turns import Conversation, Dropped, Message
from phi3scaffold.runtime.prompt import Prompt, special_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORE = -100  # what torch's cross entropy leaves out


class Sample(NamedTuple):
    """One rendered row: token ids and labels, both of length L; labels are `IGNORE` or the id."""

    input_ids: list[int]
    labels: list[int]


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a model folder, from local files only."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def encode(tokenizer: PreTrainedTokenizerBase, messages: list[Message], ask: bool) -> list[int]:
    """Token ids of the conversation; with `ask`, up to where the assistant begins to answer."""
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=ask)
    return tokenizer.encode(text, add_special_tokens=False)


def render(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[Conversation], max_tokens: int
) -> tuple[list[Sample], list[Dropped]]:
    """Every row as a `Sample`; rows over `max_tokens` are dropped and said.

    Raises:
        ScaffoldError: a text holds one of the tokenizer's special tokens, a row has no trained
            token, or the chat template does not keep a turn's tokens when the next is added.
    """
    special = special_tokens(Path(tokenizer.name_or_path))
    special_ids = set(tokenizer.convert_tokens_to_ids(list(special)))
    samples: list[Sample] = []
    dropped: list[Dropped] = []
    for row in rows:
        _refuse_control_tokens(row, special)
        sample = _sample(tokenizer, row, special_ids)
        if len(sample.input_ids) > max_tokens:
            dropped.append(Dropped(row.place, f"longer than {max_tokens} tokens"))
            continue
        samples.append(sample)
    return samples, dropped


def _refuse_control_tokens(row: Conversation, special: Sequence[str]) -> None:
    """User text that would forge a turn is refused, never tokenized as a control token."""
    for message in row.messages:
        try:
            Prompt.check_text(message["content"], special)
        except ScaffoldError as error:
            raise ScaffoldError(error.what, where=row.place, fix=error.fix) from None


def _sample(tokenizer: PreTrainedTokenizerBase, row: Conversation, special_ids: set[int]) -> Sample:
    ids = encode(tokenizer, row.messages, ask=False)
    _refuse_lost_system(tokenizer, row)
    labels = [IGNORE] * len(ids)
    end = 0
    for turn, message in enumerate(row.messages):
        if message["role"] != "assistant":
            continue
        start = len(_prefix(tokenizer, row, ids, turn))
        end = next((i for i in range(start, len(ids)) if ids[i] in special_ids), -1)
        if end <= start:
            raise ScaffoldError(
                "The row has no trained token: its answer renders to nothing.",
                where=row.place,
                fix="mend the answer, or the model's chat template",
            )
        labels[start : end + 1] = ids[start : end + 1]
    # what the template writes after the last end of turn is never trained and never read
    return Sample(ids[: end + 1], labels[: end + 1])


def _refuse_lost_system(tokenizer: PreTrainedTokenizerBase, row: Conversation) -> None:
    """Some templates (Phi-3-medium's) leave the system turn out without a word."""
    first = row.messages[0]
    if first["role"] != "system":
        return
    if encode(tokenizer, row.messages[1:], ask=False) == encode(tokenizer, row.messages, ask=False):
        raise ScaffoldError(
            "The model's chat template leaves system prompts out.",
            where=row.place,
            fix="set system: null in datasets/dataset.yaml, or write it into the user turn",
        )


def _prefix(
    tokenizer: PreTrainedTokenizerBase, row: Conversation, ids: list[int], turn: int
) -> list[int]:
    prefix = encode(tokenizer, row.messages[:turn], ask=True)
    if ids[: len(prefix)] != prefix:
        raise ScaffoldError(
            "The chat template renders the prompt differently once the answer stands behind it, "
            "so training and inference would differ.",
            where=row.place,
            fix="use the model's original tokenizer and chat template",
        )
    return prefix


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> int:
    """The id that ends an assistant's turn, read off the chat template."""
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    ids = encode(tokenizer, messages, ask=False)
    start = len(encode(tokenizer, messages[:1], ask=True))
    names = special_tokens(Path(tokenizer.name_or_path))
    special = set(tokenizer.convert_tokens_to_ids(list(names)))
    end = next((index for index in range(start, len(ids)) if ids[index] in special), start)
    if end > start:
        return ids[end]
    raise ScaffoldError(
        "The chat template ends the assistant's turn with no special token.",
        fix="use the model's original tokenizer and chat template",
    )


def stop_ids(tokenizer: PreTrainedTokenizerBase, folder: Path) -> list[int]:
    """Where generation stops: the end of the turn, and the model's own end-of-text ids."""
    stops = {end_of_turn(tokenizer)}
    if tokenizer.eos_token_id is not None:
        stops.add(tokenizer.eos_token_id)
    for name in ("generation_config.json", "config.json"):
        file = folder / name
        if file.is_file():
            value = json.loads(file.read_text(encoding="utf-8")).get("eos_token_id")
            stops.update(value if isinstance(value, list) else [value] if value is not None else [])
    return sorted(stop for stop in stops if 0 <= stop < len(tokenizer))
