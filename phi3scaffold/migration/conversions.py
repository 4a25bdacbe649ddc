"""Values of old fields as today's; each function takes the value and what else the file says.

Each raises `DroppedField` where this very value has no place.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

from phi3scaffold.generator import template
from phi3scaffold.migration.context import DroppedField, MigrationContext, NeedlessField
from phi3scaffold.migration.roles import ROUNDING
from phi3scaffold.project.algorithms import algorithm_of, has_four_bit_base

Conversion = Callable[[Any, MigrationContext], Any]
DTYPES = ("bfloat16", "float16", "float32")
BLOCKS = (16, 32, 64, 128, 256)


def same(value: Any, _: MigrationContext) -> Any:
    return value


def always(name: str) -> Conversion:
    """Return a conversion to `name`, whatever the old value was."""
    return lambda _value, _context: name


def answer(name: str) -> Conversion:
    """Return a conversion to the new project's answer `name`."""
    return lambda _value, context: getattr(context, name)


def generation(value: Any, _: MigrationContext) -> str:
    if value != "text-generation":
        raise DroppedField(f"the model generates text: text-generation, not {value}")
    return "text-generation"


# ------------------------------------------------------------------ numbers and words


def number(value: Any, context: MigrationContext) -> float:
    found = number_or_nought(value, context)
    if found <= 0:
        raise DroppedField(f"it must be more than 0, not {value}; the template's stays")
    return found


def number_or_nought(value: Any, _: MigrationContext) -> float:
    try:
        found = float(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise DroppedField(f"it must be a number, not {value!r}; the template's stays")
    if not math.isfinite(found) or found < 0:
        raise DroppedField(f"it must be at least 0, not {value}; the template's stays")
    return found


def whole(value: Any, context: MigrationContext) -> int:
    found = whole_or_nought(value, context)
    if not found:
        raise DroppedField("it must be at least 1, not 0; the template's stays")
    return found


def whole_or_nought(value: Any, context: MigrationContext) -> int:
    found = number_or_nought(value, context)
    if found != int(found):
        raise DroppedField(f"it must be a whole number, not {value}; the template's stays")
    return int(found)


def steps(value: Any, context: MigrationContext) -> int:
    if value in (-1, 0, "-1"):
        raise NeedlessField("num_train_epochs decides")
    return whole(value, context)


def share_or_none(value: Any, context: MigrationContext) -> float:
    found = number_or_nought(value, context)
    if found >= 1:
        raise DroppedField(f"it must be a share below 1, not {value}; the template's stays")
    return found


def share(value: Any, context: MigrationContext) -> float:
    found = number(value, context)
    if found >= 1:
        raise DroppedField(f"{value} rows are no share; 0.2 of the rows are held out")
    return found


def switch(value: Any, _: MigrationContext) -> bool:
    if not isinstance(value, bool):
        raise DroppedField(f"it must be true or false, not {value!r}; the template's stays")
    return value


def text(value: Any, _: MigrationContext) -> str:
    if not isinstance(value, str) or not value:
        raise DroppedField(f"it must be a word, not {value!r}; the template's stays")
    return value


def listed(value: Any, _: MigrationContext) -> list[str]:
    if not value:
        raise NeedlessField("empty")
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise DroppedField(f"it must be a list of names, not {value!r}; the template's stays")
    return value


# ------------------------------------------------------------------ the training pass


def algo(value: Any, context: MigrationContext) -> str:
    algorithm = algorithm_of(value)
    if algorithm and algorithm.refusal:
        reason = algorithm.refusal.partition("; ")[0]
        raise DroppedField(f"{reason}; --algo {algorithm.instead} is used")
    return context.algo


def modules(value: Any, context: MigrationContext) -> list[str]:
    if has_four_bit_base(context.algo):
        raise NeedlessField("QLoRA takes every layer that it rounds to 4 bits")
    family = context.family
    own = map(family.own_modules, listed(value, context))
    found = list(dict.fromkeys(itertools.chain.from_iterable(own)))
    wrong = [name for name in found if name not in family.target_modules]
    if wrong:
        raise DroppedField(f"{family.title} has no {', '.join(wrong)}; the template's modules stay")
    return found


def dtype(value: Any, context: MigrationContext) -> str:
    found = text(value, context).removeprefix("torch.")
    if found not in DTYPES:
        raise DroppedField(f"it must be one of {', '.join(DTYPES)}; the template's stays")
    if found == "float16" and not context.on_gpu:
        raise DroppedField("float16 trains on a GPU alone; bfloat16 stays")
    return found


def dtype_switch(name: str) -> Conversion:
    """Return the conversion of a switch, ``bf16`` or ``fp16``, that stands for the dtype `name`."""

    def convert(value: Any, context: MigrationContext) -> str:
        if value is not True:
            raise NeedlessField("torch_dtype says it")
        return dtype(name, context)

    return convert


def optimizer(value: Any, context: MigrationContext) -> str:
    found = text(value, context)
    if not context.on_gpu and ("paged" in found or "8bit" in found or "fused" in found):
        raise DroppedField(f"{found} needs an NVIDIA GPU; adamw_torch stays")
    if found == "adamw_hf":
        raise DroppedField("transformers gave adamw_hf up; adamw_torch stays")
    return found


def only_qlora(value: Any, context: MigrationContext) -> Any:
    if not has_four_bit_base(context.algo):
        raise NeedlessField("for QLoRA alone")
    return value


def only_loha_lokr(value: Any, context: MigrationContext) -> float:
    if context.algo not in ("loha", "lokr"):
        raise NeedlessField("for LoHa and LoKr alone")
    return share_or_none(value, context)


def only_lokr(value: Any, context: MigrationContext) -> Any:
    if context.algo != "lokr":
        raise NeedlessField("for LoKr alone")
    return value


# ------------------------------------------------------------------ what is built, and where


def merge(value: Any, _: MigrationContext) -> str:
    """Return the pass that does what ``merge_adapter_weights`` of OnnxConversion did."""
    if value is not True:
        raise NeedlessField("the adapter is always merged before the model is built")
    return "MergeAdapterWeights"


def precision(value: Any, context: MigrationContext) -> str:
    known = template.questions()["precision"].choices
    if value not in known:
        why = f"{value!r} is no precision ({', '.join(known)})"
        raise DroppedField(f"{why}; --precision {context.precision} is used")
    return str(value)


def no_pass(value: Any, _: MigrationContext) -> str:
    raise DroppedField(f"the pipeline has no pass {value}; it is left out")


def quantizer(value: Any, context: MigrationContext) -> str:
    found = ROUNDING[str(value).lower()]
    if not found:
        raise NeedlessField(f"Rtn rounds before ModelBuilder builds; {value} is not needed")
    _rounded(context)
    return found


def block(value: Any, context: MigrationContext) -> int:
    _rounded(context)
    found = whole(value, context)
    if found not in BLOCKS:
        sizes = ", ".join(map(str, BLOCKS))
        raise DroppedField(f"weights share a scale by {sizes}; the template's stays")
    return found


def accuracy_level(value: Any, context: MigrationContext) -> int:
    _rounded(context)
    found = whole_or_nought(value, context)
    if found > 4:
        raise DroppedField(f"levels go from 0 to 4, not {value}; the template's stays")
    return found


def _rounded(context: MigrationContext) -> None:
    if context.precision not in ("int4", "int8"):
        raise NeedlessField(f"{context.precision} weights are not quantized")
