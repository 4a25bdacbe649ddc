"""A conversation as the model's own chat template writes it: the one place that renders it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3scaffold.models.column_templates import Message, Tool
from phi3scaffold.models.prompt import special_tokens
from phi3scaffold.models.template_file import refused_turns
from phi3scaffold.project.errors import ScaffoldError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a model folder, from local files only.

    Raises:
        ScaffoldError: transformers cannot read it.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # tokenizers raises plain ones
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ScaffoldError(
            f"The model's tokenizer cannot be loaded: {reason:.200}",
            where=folder,
            fix="copy the tokenizer's files of the same model again",
        ) from error


def render_chat(
    tokenizer: Any, messages: Sequence[Message], *, to_answer: bool, tools: Sequence[Tool] = ()
) -> str:
    """Return a conversation as text.

    Args:
        tokenizer: of transformers, or of ONNX Runtime GenAI, which takes messages as JSON and
            always returns text. Both give the same tokens, but for GenAI's treatment of white
            space, which the ONNX form mends.
        messages: the turns.
        to_answer: whether the text ends where the assistant begins to answer.
        tools: the definitions of the tools that the assistant may call; of transformers alone,
            since GenAI would write them in a form of its own.

    Raises:
        ScaffoldError: the template refuses the turns; some do so with a system turn.
    """
    turns: Any = list(messages)
    options: dict[str, Any] = {"add_generation_prompt": to_answer}
    if type(tokenizer).__module__.startswith("onnxruntime_genai"):
        turns = json.dumps(turns)
    else:
        options["tokenize"] = False
    if tools:
        options["tools"] = list(tools)
    from jinja2 import TemplateError

    try:
        return str(tokenizer.apply_chat_template(turns, **options))
    except (TemplateError, RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
        where = getattr(tokenizer, "name_or_path", None)
        raise refused_turns(str(error), messages, where) from error


def encode(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    *,
    to_answer: bool,
    tools: Sequence[Tool] = (),
) -> list[int]:
    """Return the token ids of `render_chat`'s text."""
    text = render_chat(tokenizer, messages, to_answer=to_answer, tools=tools)
    return tokenizer.encode(text, add_special_tokens=False)


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the id that ends an assistant's turn, read off the chat template."""
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    ids = encode(tokenizer, messages, to_answer=False)
    start = len(encode(tokenizer, messages[:1], to_answer=True))
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
    """Return where generation stops: the end of the turn, and the model's own end-of-text ids."""
    stops = {end_of_turn(tokenizer)}
    if tokenizer.eos_token_id is not None:
        stops.add(tokenizer.eos_token_id)
    for name in ("generation_config.json", "config.json"):
        file = folder / name
        if file.is_file():
            value = json.loads(file.read_text(encoding="utf-8")).get("eos_token_id")
            stops.update(value if isinstance(value, list) else [value] if value is not None else [])
    return sorted(stop for stop in stops if 0 <= stop < len(tokenizer))
