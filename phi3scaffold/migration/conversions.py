"""Values of old fields as today's; each function takes the value and what else the file says.

Each raises `Dropped` where this very value has no place.
"""

from __future__ import annotations

import math
from typing import Any

from phi3scaffold.migration.context import Context, Dropped, Needless
from phi3scaffold.migration.roles import QUANTIZERS
from phi3scaffold.models import catalogue

# Modules that Phi-3 fuses -> its own.
FUSED = {
    **dict.fromkeys(("q_proj", "k_proj", "v_proj", "Wqkv", "query_key_value"), "qkv_proj"),
    **dict.fromkeys(("gate_proj", "up_proj", "fc1"), "gate_up_proj"),
    **dict.fromkeys(("dense", "out_proj"), "o_proj"),
    "fc2": "down_proj",
}
DTYPES = ("bfloat16", "float16", "float32")
BLOCKS = (16, 32, 64, 128, 256)


def same(value: Any, _: Context) -> Any:
    return value


def train(_value: Any, _: Context) -> str:
    return "train"


def hf_model(_value: Any, _: Context) -> str:
    return "HfModel"


def generation(value: Any, _: Context) -> str:
    if value != "text-generation":
        raise Dropped(f"a Phi-3 generates text: text-generation, not {value}")
    return "text-generation"


# ------------------------------------------------------------------ numbers and words


def number(value: Any, context: Context) -> float:
    found = number_or_nought(value, context)
    if found <= 0:
        raise Dropped(f"it must be more than 0, not {value}; the template's stays")
    return found


def number_or_nought(value: Any, _: Context) -> float:
    try:
        found = float(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise Dropped(f"it must be a number, not {value!r}; the template's stays")
    if not math.isfinite(found) or found < 0:
        raise Dropped(f"it must be at least 0, not {value}; the template's stays")
    return found


def whole(value: Any, context: Context) -> int:
    found = whole_or_nought(value, context)
    if not found:
        raise Dropped("it must be at least 1, not 0; the template's stays")
    return found


def whole_or_nought(value: Any, context: Context) -> int:
    found = number_or_nought(value, context)
    if found != int(found):
        raise Dropped(f"it must be a whole number, not {value}; the template's stays")
    return int(found)


def steps(value: Any, context: Context) -> int:
    if value in (-1, 0, "-1"):
        raise Needless("num_train_epochs decides")
    return whole(value, context)


def share_or_none(value: Any, context: Context) -> float:
    found = number_or_nought(value, context)
    if found >= 1:
        raise Dropped(f"it must be a share below 1, not {value}; the template's stays")
    return found


def share(value: Any, context: Context) -> float:
    """How much is held out."""
    found = number(value, context)
    if found >= 1:
        raise Dropped(f"{value} rows are no share; 0.2 of the rows are held out")
    return found


def switch(value: Any, _: Context) -> bool:
    if not isinstance(value, bool):
        raise Dropped(f"it must be true or false, not {value!r}; the template's stays")
    return value


def text(value: Any, _: Context) -> str:
    if not isinstance(value, str) or not value:
        raise Dropped(f"it must be a word, not {value!r}; the template's stays")
    return value


def listed(value: Any, _: Context) -> list[str]:
    if not value:
        raise Needless("empty")
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Dropped(f"it must be a list of names, not {value!r}; the template's stays")
    return value


# ------------------------------------------------------------------ the training pass


def algo(value: Any, context: Context) -> str:
    if str(value).lower() == "loftq":
        raise Dropped("Olive works LoftQ's start out on an NVIDIA GPU alone; --algo qlora is used")
    return context.algo


def modules(value: Any, context: Context) -> list[str]:
    if context.algo == "qlora":
        raise Needless("QLoRA takes every layer that it rounds to 4 bits")
    found = list(dict.fromkeys(FUSED.get(name, name) for name in listed(value, context)))
    wrong = [name for name in found if name not in catalogue.TARGET_MODULES]
    if wrong:
        raise Dropped(f"Phi-3 has no {', '.join(wrong)}; the template's modules stay")
    return found


def dtype(value: Any, context: Context) -> str:
    found = text(value, context).removeprefix("torch.")
    if found not in DTYPES:
        raise Dropped(f"it must be one of {', '.join(DTYPES)}; the template's stays")
    if found == "float16" and not context.on_gpu:
        raise Dropped("float16 trains on a GPU alone; bfloat16 stays")
    return found


def bf16(value: Any, context: Context) -> str:
    if value is not True:
        raise Needless("torch_dtype says it")
    return dtype("bfloat16", context)


def fp16(value: Any, context: Context) -> str:
    if value is not True:
        raise Needless("torch_dtype says it")
    return dtype("float16", context)


def optimizer(value: Any, context: Context) -> str:
    found = text(value, context)
    if not context.on_gpu and ("paged" in found or "8bit" in found or "fused" in found):
        raise Dropped(f"{found} needs an NVIDIA GPU; adamw_torch stays")
    if found == "adamw_hf":
        raise Dropped("transformers gave adamw_hf up; adamw_torch stays")
    return found


def only_qlora(value: Any, context: Context) -> Any:
    if context.algo != "qlora":
        raise Needless("for QLoRA alone")
    return value


def only_loha_lokr(value: Any, context: Context) -> float:
    if context.algo not in ("loha", "lokr"):
        raise Needless("for LoHa and LoKr alone")
    return share_or_none(value, context)


def only_lokr(value: Any, context: Context) -> Any:
    if context.algo != "lokr":
        raise Needless("for LoKr alone")
    return value


# ------------------------------------------------------------------ what is built, and where


def target(_value: Any, context: Context) -> str:
    return context.target


def precision(_value: Any, context: Context) -> str:
    return context.precision


def quantizer(value: Any, context: Context) -> str:
    found = QUANTIZERS[str(value).lower()]
    if not found:
        raise Needless(f"Rtn rounds before ModelBuilder builds; {value} is not needed")
    _rounded(context)
    return found


def block(value: Any, context: Context) -> int:
    _rounded(context)
    found = whole(value, context)
    if found not in BLOCKS:
        raise Dropped(
            f"weights share a scale by {', '.join(map(str, BLOCKS))}; the template's stays"
        )
    return found


def accuracy_level(value: Any, context: Context) -> int:
    _rounded(context)
    found = whole_or_nought(value, context)
    if found > 4:
        raise Dropped(f"levels go from 0 to 4, not {value}; the template's stays")
    return found


def _rounded(context: Context) -> None:
    if context.precision not in ("int4", "int8"):
        raise Needless(f"{context.precision} weights are not quantized")
