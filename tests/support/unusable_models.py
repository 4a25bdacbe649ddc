"""Files of models that look whole and cannot be trained: quantized, pointers, odd templates."""

from __future__ import annotations

import json
from typing import Any

from tests.support.phi3_files import phi3_files

# method -> (quantization_config as its own tool writes it, how the message names it)
QUANTIZED: dict[str, tuple[dict[str, Any], str]] = {
    "bitsandbytes 4-bit": (
        {
            "quant_method": "bitsandbytes",
            "load_in_4bit": True,
            "load_in_8bit": False,
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_compute_dtype": "bfloat16",
            "bnb_4bit_use_double_quant": True,
        },
        "bitsandbytes, 4-bit",
    ),
    "bitsandbytes 8-bit": (
        {"quant_method": "bitsandbytes", "load_in_4bit": False, "load_in_8bit": True},
        "bitsandbytes, 8-bit",
    ),
    "bitsandbytes of old": ({"load_in_4bit": True, "load_in_8bit": False}, "bitsandbytes, 4-bit"),
    "awq": (
        {"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm"},
        "AWQ, 4-bit",
    ),
    "gptq": (
        {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False, "sym": True},
        "GPTQ, 4-bit",
    ),
    "fp8": (
        {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128]},
        "FP8",
    ),
    "compressed-tensors": (
        {
            "quant_method": "compressed-tensors",
            "format": "pack-quantized",
            "config_groups": {"group_0": {"weights": {"num_bits": 4}, "targets": ["Linear"]}},
        },
        "compressed-tensors, pack-quantized",
    ),
    "mxfp4": ({"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}, "MXFP4"),
}
CARD = b"---\nlicense: mit\nbase_model:\n- microsoft/Phi-3-mini-4k-instruct\n---\n# A model\n"
POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 1844409\n"
)

CHATML = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + "
    "'<|end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
# As Gemma's does.
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}" + CHATML
)
# As Llama 3.2's does.
DATED = (
    "{%- if not date_string is defined %}\n    {%- if strftime_now is defined %}\n"
    '        {%- set date_string = strftime_now("%d %b %Y") %}\n    {%- else %}\n'
    '        {%- set date_string = "26 Jul 2024" %}\n    {%- endif %}\n{%- endif %}\n'
    "{{- '<|system|>\nToday Date: ' + date_string + '<|end|>\n' }}" + CHATML
)
UNPINNABLE = "{% set form = '%d %b' %}{{ strftime_now(form) }}" + CHATML

# template -> what the message says
TEMPLATES: dict[str, tuple[str, str]] = {
    "syntax": (CHATML + "{% if %}", "is not valid Jinja: Expected an expression"),
    "variable": ("{{ settings.persona }}" + CHATML, "'settings' is undefined"),
    "date": (UNPINNABLE, "writes today's date"),
    "no question": ("{{ raise_exception('Tools only') }}", "refuses these turns: Tools only"),
}


def with_template(text: str) -> dict[str, bytes]:
    """Files of a model whose chat template is `text`, in tokenizer_config.json."""
    settings = {"chat_template": text, "tokenizer_class": "LlamaTokenizer"}
    return {**phi3_files(), "tokenizer_config.json": json.dumps(settings).encode()}
