"""The forms that transformers runs: the base, an adapter over it (PEFT), the merged model."""

from __future__ import annotations

import copy
import logging
import queue
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3scaffold.inference.forms.form import BATCH_TOKENS, Form
from phi3scaffold.inference.sampling import GREEDY, Sampling
from phi3scaffold.models.chat_template import render_chat
from phi3scaffold.models.column_templates import Message, Tool
from phi3scaffold.models.prompt import Prompt
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.files import read_json
from phi3scaffold.training import nf4

if TYPE_CHECKING:
    import numpy as np

SMALL = 512 * 2**20  # bytes of weights on disk
LOGITS_BYTES = 256 * 2**20  # in memory at a time: a vocabulary may have 200,000 entries


class TorchForm(Form):
    """A model folder, or the base model with an adapter folder over it.

    Local files only, safetensors only, and never code that lies beside the weights.
    """

    def __init__(
        self, name: str, folder: Path, prompt: Prompt, *, adapter: Path | None = None
    ) -> None:
        own = adapter or folder
        # An adapter carries its tokenizer; one that was saved alone is read with the base's.
        words = own if (own / "tokenizer.json").is_file() else folder
        context = int(read_json(folder / "config.json").get("max_position_embeddings", 4096))
        super().__init__(name, words, prompt, context)
        for place in (folder, own):
            if not any(place.glob("*.safetensors")):
                raise ScaffoldError(
                    "There are no safetensors weights here; nothing else is loaded.", where=place
                )
        # PEFT brings bitsandbytes in, which warns of an optional package
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
        try:
            from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
            from transformers.utils import logging as transformers_logging

            if adapter:
                from peft import PeftModel
        except ImportError as error:
            raise ScaffoldError(
                f"The {name} form needs a package that is not installed: {error.name}.",
                fix="pip install 'phi3scaffold[train]', or make setup in the project",
            ) from None
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
        dtype, self._device = choose_dtype_and_device(folder)
        try:
            model = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=dtype,
                attn_implementation="sdpa",
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
            )
            if adapter:
                with warnings.catch_warnings(action="ignore", category=FutureWarning):
                    model = PeftModel.from_pretrained(model, str(adapter))
                if (adapter / nf4.FILE).is_file():
                    nf4.round_layers(model, read_json(adapter / nf4.FILE))
            self._tokenizer = AutoTokenizer.from_pretrained(
                words, local_files_only=True, trust_remote_code=False
            )
        except Exception as error:  # each library raises its own
            raise ScaffoldError(
                f"The {name} form cannot be loaded: {error}", where=own, exit_code=FAILED_RUN
            ) from error
        self._model: Any = model.to(self._device).eval()
        self._options = GenerationConfig(
            do_sample=False, eos_token_id=list(prompt.stop), pad_token_id=prompt.stop[0]
        )
        # the model's own may ask for sampling, and would fill what ours leaves open
        model.generation_config = self._options
        if adapter:
            model.get_base_model().generation_config = self._options

    def _decode(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def close(self) -> None:
        self._model = None

    def _encode(self, messages: list[Message], tools: Sequence[Tool] = ()) -> list[int]:
        return self._encode_text(
            render_chat(self._tokenizer, messages, to_answer=True, tools=tools)
        )

    def _encode_text(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def _batch(self, batch: list[list[int]], room: int) -> list[list[int]]:
        return self._run(batch, room).tolist()

    def _tokens(
        self,
        ids: list[int],
        room: int,
        least: int = 0,
        sampling: Sampling = GREEDY,
        check: Callable[[], None] | None = None,
    ) -> Iterator[int]:
        """Generate in a thread of its own, which stops when this iterator is closed."""
        import torch
        from transformers.generation import StoppingCriteria
        from transformers.generation.streamers import BaseStreamer

        if check:
            check()
        tokens: queue.Queue[int | BaseException | None] = queue.Queue()
        closed = threading.Event()

        class Feed(BaseStreamer):
            prompt_seen = False

            def put(self, value: Any) -> None:
                if self.prompt_seen:
                    tokens.put(int(value.reshape(-1)[0]))
                self.prompt_seen = True

            def end(self) -> None:
                pass

        class Closed(StoppingCriteria):
            def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
                return input_ids.new_full((len(input_ids),), closed.is_set(), dtype=torch.bool)

        def work() -> None:
            try:
                more = {"stopping_criteria": [Closed()], "min_new_tokens": least}
                self._run([ids], room, streamer=Feed(), **more, **_options(sampling))
                tokens.put(None)
            except BaseException as error:  # noqa: BLE001 - it is raised where the tokens are read
                tokens.put(error)

        thread = threading.Thread(target=work, name="generation", daemon=True)
        thread.start()
        try:
            while True:
                try:
                    # a wait without end would not hear Ctrl-C on Windows
                    item = tokens.get(timeout=0.2)
                except queue.Empty:
                    continue
                if item is None:
                    return
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            closed.set()
            thread.join()

    def _run(self, batch: list[list[int]], room: int, **more: Any) -> Any:
        """Continue left-padded prompts; return ids of shape [rows, new]."""
        import torch

        ids, mask = self._padded(batch, left=True)
        with torch.inference_mode():
            out = self._model.generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=self._options,
                max_new_tokens=room,
                **more,
            )
        return out[:, ids.shape[1] :]

    def _score(
        self, prompts: list[list[int]], continuations: list[list[list[int]]]
    ) -> Iterator[list[np.ndarray]]:
        """Read the prompts once, together; then the continuations over copies of the cache."""
        import torch

        ids, mask = self._padded(prompts, left=True)
        with torch.inference_mode():
            seen = self._model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=(mask.cumsum(1) - 1).clamp(min=0),
                use_cache=True,
                logits_to_keep=1,
            )
        first = seen.logits[:, -1:].float()
        places = [(row, text) for row, texts in enumerate(continuations) for text in texts]
        longest = max(len(text) for _, text in places)
        many = min(
            BATCH_TOKENS // (ids.shape[1] + longest),
            LOGITS_BYTES // (longest * first.shape[-1] * first.element_size()),
        )
        done: list[np.ndarray] = []
        row = 0
        for start in range(0, len(places), max(1, many)):
            chunk = places[start : start + max(1, many)]
            done += self._continued(seen.past_key_values, mask, first, chunk)
            while row < len(continuations) and len(done) >= len(continuations[row]):
                yield done[: len(continuations[row])]
                done = done[len(continuations[row]) :]
                row += 1

    def _continued(
        self, cache: Any, mask: Any, first: Any, chunk: list[tuple[int, list[int]]]
    ) -> list[np.ndarray]:
        """Return logits [C, vocabulary] of some (row, continuation); leave the cache unchanged.

        Args:
            cache: of the prompts.
            mask: of the prompts, [rows, longest].
            first: the logits behind each prompt, [rows, 1, vocabulary].
        """
        import torch

        texts = [text for _, text in chunk]
        rows = torch.tensor([row for row, _ in chunk], device=self._device)
        logits = [first[rows]]
        if max(map(len, texts)) > 1:
            rest, there = self._padded([text[:-1] for text in texts], left=False)
            own = copy.deepcopy(cache)
            own.batch_select_indices(rows)
            before = mask[rows]
            steps = torch.arange(rest.shape[1], device=self._device)
            with torch.inference_mode():
                out = self._model(
                    input_ids=rest,
                    attention_mask=torch.cat([before, there], dim=1),
                    position_ids=before.sum(1, keepdim=True) + steps,
                    past_key_values=own,
                    use_cache=True,
                )
            logits.append(out.logits.float())
        whole = torch.cat(logits, dim=1).cpu().numpy()
        return [its[: len(text)].copy() for its, text in zip(whole, texts, strict=True)]

    def _padded(self, batch: list[list[int]], left: bool) -> tuple[Any, Any]:
        """Return ids and attention mask, both [rows, longest]."""
        import torch

        width = max(map(len, batch))
        ids, mask = [], []
        for row in batch:
            fill, none = [self._options.pad_token_id] * (width - len(row)), [0] * (width - len(row))
            ids.append(fill + row if left else row + fill)
            mask.append(none + [1] * len(row) if left else [1] * len(row) + none)
        return torch.tensor(ids, device=self._device), torch.tensor(mask, device=self._device)


def _options(sampling: Sampling) -> dict[str, Any]:
    """Return options of transformers' generate, and set torch's seed for it."""
    import torch

    if sampling.schema is not None:
        raise ScaffoldError("Only the ONNX forms support a JSON schema.")
    if not sampling.temperature:
        return {}
    if sampling.seed is None:
        torch.seed()  # torch begins each process alike
    else:
        torch.manual_seed(sampling.seed)
    chosen = {"temperature": sampling.temperature, "top_p": sampling.top_p}
    return {"do_sample": True, "top_k": 0, **chosen}


def choose_dtype_and_device(folder: Path) -> tuple[Any, str]:
    """Decide in which number type a model folder runs, and where.

    As stored (bfloat16 for every Phi), except: a small model on the CPU in float32, which is as
    quick there and gives the same answer alone and in a batch; and float16 on a GPU that has no
    bfloat16. The stand-alone scripts in inferences/ follow the same rule.
    """
    import torch

    if torch.cuda.is_available():
        return ("auto" if torch.cuda.is_bf16_supported() else torch.float16), "cuda"
    weights = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return (torch.float32 if weights <= SMALL else "auto"), "cpu"
