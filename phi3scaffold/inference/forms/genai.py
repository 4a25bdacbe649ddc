"""The ONNX forms: an int4 model, run by ONNX Runtime GenAI without torch or transformers."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from phi3scaffold.inference.forms.form import Form
from phi3scaffold.inference.forms.genai_reading import GenaiPrefix, GenaiReading
from phi3scaffold.inference.forms.reading import PromptReading
from phi3scaffold.inference.json_schema import BadSchema, grammar
from phi3scaffold.inference.sampling import GREEDY, Sampling
from phi3scaffold.models.chat_template import render_chat
from phi3scaffold.models.column_templates import Message, Tool
from phi3scaffold.models.prompt import Prompt
from phi3scaffold.models.template_file import read_template
from phi3scaffold.models.tool_template import uses_tools
from phi3scaffold.pipeline.environment import physical_cores
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.files import read_json

# A prompt is read in pieces of so many tokens, where reading may be cancelled. Not beyond 4,096:
# there a model of long context uses other positions for all that it reads at once.
PIECE = 512
PIECES_UP_TO = 4096
# What a step may take in which Python stands still, for the watch over it: tokens of a prompt that
# are read in a second at the least, and seconds of a grammar (most of it the tokenizer's words).
SLOWEST = 10.0
GRAMMAR_SECONDS = 30.0


class GenaiForm(Form):
    """A folder with genai_config.json, the graph and its tokenizer."""

    def __init__(self, folder: Path, prompt: Prompt, name: str = "onnx") -> None:
        settings = read_json(folder / "genai_config.json").get("model", {})
        super().__init__(name, folder, prompt, int(settings.get("context_length", 4096)))
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the import: it is on by default
        try:
            import onnxruntime_genai
        except ImportError as error:
            raise ScaffoldError(
                f"The {name} form needs a package that is not installed: {error.name or error}.",
                fix="pip install 'phi3scaffold[cpu]' (or [cuda], [directml]: one of them), "
                "or make setup in the project",
            ) from None
        self._genai = onnxruntime_genai
        self.plain_context = min(self.context, PIECES_UP_TO)
        self._pad = _padding(settings)
        try:
            config = onnxruntime_genai.Config(str(folder))
            config.overlay(json.dumps(_threads(settings)))
            if self._pad is not None:
                config.overlay(json.dumps({"model": {"pad_token_id": self._pad}}))
            self._model: Any = onnxruntime_genai.Model(config)
            self._tokenizer: Any = onnxruntime_genai.Tokenizer(self._model)
        except Exception as error:
            raise ScaffoldError(
                f"ONNX Runtime GenAI cannot load the model: {error}",
                where=folder,
                fix=_hint(settings),
                exit_code=FAILED_RUN,
            ) from error
        words = read_json(folder / "tokenizer.json")
        self._texts = _texts(words)
        self._strips = _strips_first_space(words)
        self._white_space = _white_space(words)
        # the model's own end ids end an answer here, whatever prompt.json says
        self._stop |= set(map(int, self._tokenizer.eos_token_ids))

    def _decode(self, ids: Sequence[int]) -> str:
        import numpy as np

        shown = [token for token in ids if token in self._texts]
        text = str(self._tokenizer.decode(np.array(shown, dtype=np.int32))) if shown else ""
        return text.removeprefix(" ") if self._strips else text

    def close(self) -> None:
        self._tokenizer = self._model = None

    def _encode(self, messages: list[Message], tools: Sequence[Tool] = ()) -> list[int]:
        if uses_tools(messages, tools):  # GenAI would write the definitions in a form of its own
            text = read_template(self.folder).render(messages, to_answer=True, tools=tools)
        else:
            text = render_chat(self._tokenizer, messages, to_answer=True)
        for pattern in self._white_space:
            text = pattern.sub(r"\1", text)
        return self._encode_text(text)

    def _encode_text(self, text: str) -> list[int]:
        return [int(token) for token in self._tokenizer.encode(text)]

    def _tokens(
        self,
        ids: list[int],
        room: int,
        least: int = 0,
        sampling: Sampling = GREEDY,
        check: Callable[..., None] | None = None,
    ) -> Iterator[int]:
        generator = self._generator([ids], room, least, sampling, check)
        for row in _steps(generator):
            yield row[0]

    def _batch(self, batch: list[list[int]], room: int) -> list[list[int]]:
        lengths = set(map(len, batch))
        if len(lengths) > 1 and any(self._pad in row for row in batch):
            return [self._batch([row], room)[0] for row in batch]
        answers: list[list[int]] = [[] for _ in batch]
        going = set(range(len(batch)))
        for step in _steps(self._generator(batch, room)):
            for row in list(going):
                answers[row].append(step[row])
                if step[row] in self._stop:
                    going.discard(row)
            if not going:
                break
        return answers

    def _together(self, longest: int, length: int, room: int) -> bool:
        alike = length == longest
        return alike or (self._pad is not None and super()._together(longest, length, room))

    def _groups_to_read(self, prompts: Sequence[Sequence[int]], room: int) -> Iterator[list[int]]:
        # tokens can be appended and removed only for a single row; a batch is no quicker to read
        return ([row] for row in range(len(prompts)))

    def _read_prefix(
        self, ids: list[int], prompts: Sequence[Sequence[int]], longest: int
    ) -> GenaiPrefix:
        room = max(map(len, prompts)) + longest - len(ids)
        return GenaiPrefix(self._generator([ids], room), len(ids))

    def _read(
        self, rows: list[int], prompts: list[Sequence[int]], prefix: Any, longest: int
    ) -> PromptReading:
        (row,), (prompt,) = rows, prompts
        if prefix is None:
            room = min(longest, self.context - len(prompt))
            prefix = GenaiPrefix(self._generator([list(prompt)], room), len(prompt))
        return GenaiReading(row, prompt, prefix, self._stop)

    def _generator(
        self,
        batch: list[list[int]],
        room: int,
        least: int = 0,
        sampling: Sampling = GREEDY,
        check: Callable[..., None] | None = None,
    ) -> Any:
        """Return a generator that has read prompts, for at least `least` tokens.

        Shorter prompts are padded on the right: the graph's attention counts positions from the
        left edge, and writes the answer's keys over the padding's.
        """
        import numpy as np

        width = max(map(len, batch))
        pad = self._pad or 0  # where there is no padding, all are of one length
        ids = np.array([row + [pad] * (width - len(row)) for row in batch], dtype=np.int32)
        params = self._genai.GeneratorParams(self._model)
        # max_length sets the size of the key-value cache: no more than is needed
        params.set_search_options(
            batch_size=len(batch),
            min_length=ids.shape[1] + least if least else 0,
            max_length=ids.shape[1] + room,
            num_beams=1,
            **sampling.options(),
        )
        if check:
            check(0.0 if sampling.schema is None else GRAMMAR_SECONDS)
        try:
            if sampling.schema is not None:
                params.set_guidance("lark_grammar", grammar(sampling.schema))
            generator = self._genai.Generator(self._model, params)
        except RuntimeError as error:
            if sampling.schema is None:
                raise
            raise BadSchema.of(error) from None
        self._before_reading(generator)
        length = ids.shape[1]
        piece = PIECE if check and length <= PIECES_UP_TO else max(1, length)
        for start in range(0, length, piece):
            if check:
                check(min(piece, length - start) / SLOWEST)
            generator.append_tokens(ids[:, start : start + piece])
        if check:
            check(0.0)
        return generator

    def _before_reading(self, generator: Any) -> None:
        """Prepare a generator before its first token."""


def _steps(generator: Any) -> Iterator[list[int]]:
    """Yield the next id of every row, until there is no more room."""
    while not generator.is_done():
        generator.generate_next_token()
        yield [int(token) for token in generator.get_next_tokens()]


def missing_provider(folder: Path) -> str | None:
    """Return the provider, such as ``DML``, that an ONNX form needs and this environment lacks."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    settings = read_json(folder / "genai_config.json").get("model", {})
    here = {name.lower() for name in onnxruntime.get_available_providers()}
    missing = (
        name for name in _providers(settings) if f"{name.lower()}executionprovider" not in here
    )
    return next(missing, None)


def _threads(settings: dict) -> dict:
    """Return settings for one thread per physical core, unless genai_config.json says a number."""
    options = settings.get("decoder", {}).get("session_options", {})
    threads = options.get("intra_op_num_threads") or physical_cores()
    return {"model": {"decoder": {"session_options": {"intra_op_num_threads": int(threads)}}}}


def _padding(settings: dict) -> int | None:
    """Return an id that no prompt has, as good as: it fills up a batch. None: there is no padding.

    ONNX Runtime GenAI takes whatever has that id for padding; in a model's own configuration it is
    the id that ends a turn. Padding on the right was tried with ONNX Runtime's CPU kernels alone.
    """
    inputs = settings.get("decoder", {}).get("inputs", {})
    if _providers(settings) or "position_ids" in inputs or "vocab_size" not in settings:
        return None
    return int(settings["vocab_size"]) - 1


def _hint(settings: dict) -> str:
    names = _providers(settings)
    if names:
        return (
            f"the model was built for {', '.join(names)}: this needs that hardware, its driver "
            "and its package; for the CPU, make a project with --target cpu"
        )
    return "make it again: phi3scaffold run"


def _providers(settings: dict) -> list[str]:
    """Return the execution providers of genai_config.json, such as ``CUDA``; for the CPU none."""
    options = settings.get("decoder", {}).get("session_options", {}).get("provider_options", [])
    return [name.upper() for provider in options for name in provider]


def _texts(tokenizer: dict) -> frozenset[int]:
    """Return the ids that have a text in an answer: all but control tokens and padding.

    The graph's vocabulary may be larger than the tokenizer's.
    """
    words = tokenizer.get("model", {}).get("vocab", {})
    ids = set(words.values()) if isinstance(words, dict) else set(range(len(words)))
    added = tokenizer.get("added_tokens", [])
    ids |= {token["id"] for token in added}
    return frozenset(ids - {token["id"] for token in added if token.get("special")})


def _white_space(tokenizer: dict) -> list[re.Pattern[str]]:
    """Return patterns of the white space that control tokens remove beside them, as Phi's do.

    GenAI leaves some of it: all before a token, and behind it such as the ideographic space that
    begins a Japanese paragraph.
    """
    space = r"[^\S\x1c-\x1f]+"  # what Unicode calls so, which the separators 1C to 1F are not
    patterns = []
    for key, pattern in (("lstrip", f"{space}({{}})"), ("rstrip", f"({{}}){space}")):
        marks = [token["content"] for token in tokenizer.get("added_tokens", []) if token.get(key)]
        if marks:
            patterns.append(re.compile(pattern.format("|".join(map(re.escape, marks)))))
    return patterns


def _strips_first_space(tokenizer: dict) -> bool:
    """Tell whether decoding drops the space that SentencePiece puts before a text.

    GenAI keeps it, so that ` joy` would be no label.
    """
    decoder = tokenizer.get("decoder") or {}
    steps = decoder.get("decoders", [decoder])
    return any(
        step.get("type") == "Metaspace" or (step.get("type") == "Strip" and step.get("start"))
        for step in steps
    )
