"""Answer with the adapter over the base model: python inferences/adapter.py "some text"

Needs nothing but requirements-adapter.txt, the adapter's folder and the base model's. prompt.json
beside the adapter says how the text becomes a prompt and where the answer stops.
"""

import argparse
import json
import os
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# this folder has a file called onnx.py: it must not pass for the package of that name
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]
os.environ["HF_HUB_OFFLINE"] = "1"  # everything is on this disk
SMALL = 512 * 2**20  # bytes of weights; below it float32 is as quick on a CPU, and exact


def main():
    args = arguments()
    prompt = json.loads((args.model / "prompt.json").read_text(encoding="utf-8"))
    messages = fill(prompt, args.text, args.model)
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer, TextStreamer

    tokenizer = AutoTokenizer.from_pretrained(args.model)
    cuda = torch.cuda.is_available()
    weights = sum(file.stat().st_size for file in args.base.glob("*.safetensors"))
    dtype = "float32" if weights <= SMALL and not cuda else "auto"
    if cuda and not torch.cuda.is_bf16_supported():
        dtype = "float16"
    model = AutoModelForCausalLM.from_pretrained(args.base, dtype=dtype, use_safetensors=True)
    model = PeftModel.from_pretrained(model, str(args.model))
    rounding = args.model / "quantization.json"
    if rounding.is_file():
        round_base(model, json.loads(rounding.read_text(encoding="utf-8")))
    model = model.to("cuda" if cuda else "cpu").eval()

    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt").to(model.device)
    model.generate(
        **ids,
        max_new_tokens=args.max_new_tokens or prompt["max_new_tokens"],
        do_sample=False,
        eos_token_id=prompt["stop"],
        pad_token_id=prompt["stop"][0],
        streamer=TextStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True),
    )


def round_base(model, settings):
    """QLoRA trained over four-bit weights: over others the adapter would not answer the same."""
    import torch
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    for module in model.modules():
        if hasattr(module, "lora_A") and hasattr(module, "base_layer"):
            weight = module.base_layer.weight
            four_bits, state = quantize_4bit(
                weight.data.to(getattr(torch, settings["torch_dtype"])),
                blocksize=64,
                compress_statistics=settings["double_quant"],
                quant_type=settings["quant_type"],
            )
            weight.data = dequantize_4bit(four_bits, state).to(weight.dtype)


def fill(prompt, texts, folder):
    """Return the messages of one prompt: each text fills a column, in the order of prompt.json."""
    columns, named = prompt["columns"], r"\{([^{}\n]+)\}"
    least = sum("{" + name + "}" in prompt["user"] for name in columns)
    if not least <= len(texts) <= len(columns):  # those of the system turn come last
        sys.exit("error: give one text for each of: " + ", ".join(columns))
    if texts and not any(text.strip() for text in texts):
        sys.exit("error: the text is empty")
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    for mark in (token["content"] for token in tokenizer["added_tokens"]):
        if mark.strip() and any(mark in text for text in texts):
            sys.exit(f"error: the text contains the control token {mark}")
    values = dict.fromkeys(columns, "") | dict(zip(columns, texts, strict=False))

    def put(turn):
        lines = []
        for line in turn.split("\n"):
            filled = re.sub(named, lambda m: values.get(m[1], m[0]), line)
            if filled.strip() or not line.strip():  # a line of only empty columns disappears
                lines.append(filled)
        return "\n".join(lines)

    messages, system = [{"role": "user", "content": put(prompt["user"])}], prompt["system"]
    own = [values[name] for name in re.findall(named, system or "") if name in values]
    if system and (not own or any(text.strip() for text in own)):
        messages.insert(0, {"role": "system", "content": put(system)})
    return messages


def arguments():
    parser = argparse.ArgumentParser(description="Answer with the adapter over the base.")
    parser.add_argument("text", nargs="*", help="what to answer (default: standard input)")
    parser.add_argument("--model", type=Path, default=HERE.parent / "gen-model" / "adapter")
    parser.add_argument("--base", type=Path, default=HERE.parent / "model-cache" / "base")
    parser.add_argument("--max-new-tokens", type=int, help="default: as prompt.json says")
    args = parser.parse_args()
    if args.max_new_tokens is not None and args.max_new_tokens < 1:
        parser.error("--max-new-tokens must be at least 1")
    for file in (args.model / "prompt.json", args.base / "config.json"):
        if not file.is_file():
            sys.exit(f"error: {file} is missing\n  fix: run `phi3scaffold run` first")
    args.text = args.text or [sys.stdin.read().strip()]
    return args


if __name__ == "__main__":
    main()
