"""The forms that transformers runs: the base, an adapter over it (PEFT), the merged model."""

from __future__ import annotations

import logging
import queue
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from phi3scaffold.inference.forms.form import BATCH_TOKENS, Form
from phi3scaffold.inference.forms.reading import PromptReading
from phi3scaffold.inference.forms.torch_reading import TorchReading, padded
from phi3scaffold.inference.sampling import GREEDY, Sampling
from phi3scaffold.models.chat_template import render_chat
from phi3scaffold.models.column_templates import Message, Tool
from phi3scaffold.models.prompt import Prompt
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.files import read_json
from phi3scaffold.training import nf4

SMALL = 512 * 2**20  # bytes of weights on disk


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
        config = read_json(folder / "config.json")
        super().__init__(name, words, prompt, int(config.get("max_position_embeddings", 4096)))
        self.plain_context = min(self.context, *_boundaries(config))
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
        check: Callable[..., None] | None = None,
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

        ids, mask = padded(batch, self._options.pad_token_id, True, self._device)
        with torch.inference_mode():
            out = self._model.generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=self._options,
                max_new_tokens=room,
                **more,
            )
        return out[:, ids.shape[1] :]

    def _read_prefix(self, ids: list[int], prompts: Sequence[Sequence[int]], longest: int) -> Any:
        import torch

        with torch.inference_mode():
            here = torch.tensor([ids], device=self._device)
            return self._model(input_ids=here, use_cache=True, logits_to_keep=1).past_key_values

    def _read(
        self, rows: list[int], prompts: list[Sequence[int]], prefix: Any, longest: int
    ) -> PromptReading:
        is_long = max(map(len, prompts)) + longest > self.plain_context  # then it is alone
        return TorchReading(
            self._model,
            rows,
            prompts,
            prefix=prefix,
            stop=self._stop,
            pad=self._options.pad_token_id,
            tokens=BATCH_TOKENS,
            generate=self._batch if is_long else None,
        )


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


def _boundaries(config: dict[str, Any]) -> list[int]:
    """Return where a sliding window begins to move, and where longrope takes other factors."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    found = [config.get("sliding_window")]
    found += [owner.get("original_max_position_embeddings") for owner in (config, rope)]
    return [int(one) for one in found if one] or [int(config.get("max_position_embeddings", 4096))]


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
