"""A small random Phi-3 in every form, made the way the pipeline makes them: for tests of forms.

What the model says is noise; that every form says the same noise is what the tests look at.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from phi3scaffold.conversion.adapter_file import ONNX_ADAPTERS, ONNX_WEIGHTS, read_lora, write_lora
from phi3scaffold.conversion.lora_inputs import add_lora_inputs, lora_slots
from phi3scaffold.models.families.family import Family
from phi3scaffold.models.families.phi3 import PHI3

TEXT = (
    "The quick brown fox jumps over the lazy dog. It's a small world, isn't it? "
    "She said: yes! He asked, why not? Tone: joy, sadness, fear, surprise. 0123456789\n"
)
SPECIAL = ("<unk>", "<s>", "</s>", "<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>")
TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] "
    "+ '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)


def make_forms(root: Path) -> Path:
    """A project folder at `root` with a model in every form; returns it."""
    base, gen = root / "model-cache" / "base", root / "gen-model"
    make_base(base)
    make_adapter(base, gen / "adapter")
    _merged(base, gen / "adapter", gen / "merged")
    make_onnx(gen / "merged", gen / "onnx", root / "scratch")
    make_onnx(base, gen / "onnx-base", root / "scratch-base")
    shutil.copytree(gen / "onnx-base", gen / "onnx-adapter")
    make_swappable(gen / "onnx-adapter", mine=gen / "adapter")
    stop = json.loads((base / "generation_config.json").read_text())["eos_token_id"]
    for form in ("adapter", "merged", "onnx", "onnx-base", f"onnx-adapter/{ONNX_ADAPTERS}/mine"):
        (gen / form / "prompt.json").write_text(json.dumps(prompt(stop)))
    (root / "project.yaml").write_text(
        "model: {id: tiny}\ntarget: cpu\nadapters: {mine: gen-model/adapter}\n"
    )
    return root


def prompt(stop: list[int]) -> dict:
    return {
        "task": "classify",
        "system": None,
        "user": "{phrase}\nTone:",
        "columns": ["phrase"],
        "labels": ["joy", "fear"],
        "stop": stop,
        "max_new_tokens": 12,
        "demonstration": True,
        "model": "tiny",
    }


def make_base(folder: Path, family: Family = PHI3, **shape: object) -> None:
    """A random model of a family with a tokenizer; `shape` is more of its configuration."""
    import torch
    import transformers
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GenerationConfig, PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core.train_from_iterator(
        [TEXT] * 4, trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet)
    )
    marks = [*SPECIAL, "<|user|>"]
    core.add_special_tokens(  # rstrip: as in Phi-3's tokenizers, they eat the white space behind
        [AddedToken(mark, special=True, normalized=False, rstrip=True) for mark in marks]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<s>",
        eos_token="<|endoftext|>",
        pad_token="<|endoftext|>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
        chat_template=TEMPLATE,
        model_max_length=512,
        padding_side="left",
    )
    eos = tokenizer.convert_tokens_to_ids(["<|endoftext|>", "<|end|>"])
    torch.manual_seed(7)
    config: dict = {
        "vocab_size": 384,
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "original_max_position_embeddings": 512,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": eos[0],
        "pad_token_id": eos[0],
        "initializer_range": 0.2,  # far from uniform, so that no two tokens tie
    }
    if family is not PHI3:
        del config["original_max_position_embeddings"]
    settings = getattr(transformers, family.config_class)(**{**config, **shape})
    model = getattr(transformers, family.architecture)(settings).to(torch.bfloat16)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(".bias"):
                weight.normal_(std=0.2)
    _speak_plainly(model, tokenizer)
    model.generation_config = GenerationConfig(eos_token_id=eos, pad_token_id=eos[0])
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _speak_plainly(model, tokenizer) -> None:
    """Keep the noise to printable ASCII: no half characters, no stop, no padding id."""
    import torch

    with torch.no_grad():
        for token in range(len(model.lm_head.weight)):
            text = tokenizer.decode([token], skip_special_tokens=True)
            if not (text and text.isascii() and text.isprintable()):
                model.lm_head.weight[token] = 0


def make_adapter(base: Path, folder: Path, family: Family = PHI3, **more: object) -> None:
    """A random LoRA adapter over all modules; `more` is more of LoraConfig."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(8)
    config: dict = {
        "r": 4,
        "lora_alpha": 8,
        "target_modules": list(family.target_modules),
        "init_lora_weights": False,  # so that the adapter changes what the model says
        "task_type": "CAUSAL_LM",
    }
    config = LoraConfig(**{**config, **more})
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(folder)
    _copy_tokenizer(base, folder)


def _merged(base: Path, adapter: Path, folder: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter)
    model.merge_and_unload().save_pretrained(folder)
    _copy_tokenizer(base, folder)


def make_onnx(
    source: Path,
    folder: Path,
    scratch: Path,
    precision: str = "int4",
    rounding: dict | None = None,
    **build: object,
) -> None:
    """Olive's ONNX model of a model folder; int4 by way of Rtn, as the pipeline does it.

    Args:
        rounding: more settings of Rtn.
        build: more settings of ModelBuilder.
    """
    from olive.hardware.accelerator import AcceleratorSpec
    from olive.model import HfModelHandler
    from olive.passes.olive_pass import create_pass_from_dict
    from olive.passes.onnx.model_builder import ModelBuilder
    from olive.passes.pytorch.rtn import Rtn

    on = AcceleratorSpec("cpu", "CPUExecutionProvider")
    model = HfModelHandler(model_path=str(source))
    if precision == "int4":
        config: dict = {"bits": 4, "group_size": 32, "lm_head": True, **(rounding or {})}
        rtn = create_pass_from_dict(Rtn, config, disable_search=True, accelerator_spec=on)
        model = rtn.run(model, str(scratch / "rtn"))
    config = {"precision": precision, "extra_options": {"hf_remote": False}, **build}
    builder = create_pass_from_dict(ModelBuilder, config, disable_search=True, accelerator_spec=on)
    built = builder.run(model, str(scratch / "onnx"))
    folder.mkdir(parents=True)
    for path in Path(built.model_path).parent.iterdir():
        shutil.copy(path, folder)


def make_swappable(folder: Path, family: Family = PHI3, **adapters: Path) -> None:
    """Give an ONNX base inputs for adapters, and these adapters, without their prompts."""
    add_lora_inputs(folder / "model.onnx", family)
    slots = lora_slots(folder / "model.onnx")
    for name, adapter in adapters.items():
        (folder / ONNX_ADAPTERS / name).mkdir(parents=True)
        write_lora(read_lora(adapter, slots), slots, folder / ONNX_ADAPTERS / name / ONNX_WEIGHTS)


def _copy_tokenizer(source: Path, folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (source / name).exists():
            shutil.copy(source / name, folder)
