"""Answer with the ONNX model: python inferences/onnx.py "some text"

Needs nothing but requirements-onnx.txt and the model's folder: prompt.json there says how the
text becomes a prompt and where the answer stops, the tokenizer renders it.
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
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the import: it is on by default
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def main():
    args = arguments()
    prompt = json.loads((args.model / "prompt.json").read_text(encoding="utf-8"))
    added = json.loads((args.model / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
    messages = fill(prompt, args.text, added)
    import onnxruntime_genai as og

    config = og.Config(str(args.model))
    threads = {"session_options": {"intra_op_num_threads": CORES}}  # the default is one
    config.overlay(json.dumps({"model": {"decoder": threads}}))
    model = og.Model(config)
    tokenizer = og.Tokenizer(model)
    text = tokenizer.apply_chat_template(json.dumps(messages), add_generation_prompt=True)
    space = r"[^\S\x1c-\x1f]*"
    for token in (one for one in added if one["lstrip"] or one["rstrip"]):
        before, after = space * token["lstrip"], space * token["rstrip"]  # it eats white space
        text = re.sub(f"{before}({re.escape(token['content'])}){after}", r"\1", text)
    ids = tokenizer.encode(text)
    room = len(ids) + (args.max_new_tokens or prompt["max_new_tokens"])
    params = og.GeneratorParams(model)
    params.set_search_options(max_length=room, do_sample=False)  # max_length sizes the cache
    generator = og.Generator(model, params)
    generator.append_tokens(ids)
    words, begun = tokenizer.create_stream(), False
    while not generator.is_done():
        generator.generate_next_token()
        token = generator.get_next_tokens()[0]
        if token in prompt["stop"]:
            break
        word = words.decode(token)
        print(word if begun else word.lstrip(), end="", flush=True)
        begun = True
    print()


def fill(prompt, texts, added):
    """Return the messages of one prompt: each text fills a column, in the order of prompt.json."""
    columns, named = prompt["columns"], r"\{([^{}\n]+)\}"
    least = sum("{" + name + "}" in prompt["user"] for name in columns)
    if not least <= len(texts) <= len(columns):  # those of the system turn come last
        sys.exit("error: give one text for each of: " + ", ".join(columns))
    if texts and not any(text.strip() for text in texts):
        sys.exit("error: the text is empty")
    for mark in (token["content"] for token in added):
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
    parser = argparse.ArgumentParser(description="Answer with the ONNX model.")
    parser.add_argument("text", nargs="*", help="what to answer (default: standard input)")
    parser.add_argument("--model", type=Path, default=HERE.parent / "gen-model" / "onnx")
    parser.add_argument("--max-new-tokens", type=int, help="default: as prompt.json says")
    args = parser.parse_args()
    if args.max_new_tokens is not None and args.max_new_tokens < 1:
        parser.error("--max-new-tokens must be at least 1")
    if not (args.model / "prompt.json").is_file():
        sys.exit(f"error: no model in {args.model}\n  fix: run `phi3scaffold run` first")
    args.text = args.text or [sys.stdin.read().strip()]
    return args


if __name__ == "__main__":
    main()
