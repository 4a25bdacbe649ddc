"""Values of old fields as today's; each function takes the value and what else the file says."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi3scaffold import catalog
from phi3scaffold.generator.legacy.roles import QUANTIZERS
from phi3scaffold.generator.legacy.turns import NotSplit, Turns
from phi3scaffold.generator.legacy.turns import split as split_turns
from phi3scaffold.rows import hub
from phi3scaffold.rows.files import KINDS

# What a data_name says that is no data set but a format.
FORMATS = ("json", "csv", "parquet", "text", "pandas", "arrow")
# Modules that Phi-3 fuses -> its own.
FUSED = {
    **dict.fromkeys(("q_proj", "k_proj", "v_proj", "Wqkv", "query_key_value"), "qkv_proj"),
    **dict.fromkeys(("gate_proj", "up_proj", "fc1"), "gate_up_proj"),
    **dict.fromkeys(("dense", "out_proj"), "o_proj"),
    "fc2": "down_proj",
}
DTYPES = ("bfloat16", "float16", "float32")
BLOCKS = (16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Context:
    """What a value's fate depends on.

    Attributes:
        algo, target, precision: the answers of the new project.
        folders: where a relative path may start.
        own_template: whether the rows have a text_template.
    """

    algo: str
    target: str
    precision: str
    folders: tuple[Path, ...] = ()
    own_template: bool = False

    @property
    def on_gpu(self) -> bool:
        return self.target in ("cuda", "aml", "arc")

    def find(self, text: str) -> Path | None:
        """A file or folder that the old config names."""
        given = Path(text.replace("\\", "/") if os.sep == "/" else text).expanduser()
        return next((p for p in (folder / given for folder in self.folders) if p.exists()), None)


class Dropped(Exception):
    """Why this very value has no place."""


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
        raise Dropped("num_train_epochs decides")
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
        raise Dropped("empty")
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
        raise Dropped("QLoRA takes every layer that it rounds to 4 bits")
    found = list(dict.fromkeys(FUSED.get(name, name) for name in listed(value, context)))
    wrong = [name for name in found if name not in catalog.TARGET_MODULES]
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
        raise Dropped("torch_dtype says it")
    return dtype("bfloat16", context)


def fp16(value: Any, context: Context) -> str:
    if value is not True:
        raise Dropped("torch_dtype says it")
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
        raise Dropped("for QLoRA alone")
    return value


def only_loha_lokr(value: Any, context: Context) -> float:
    if context.algo not in ("loha", "lokr"):
        raise Dropped("for LoHa and LoKr alone")
    return share_or_none(value, context)


def only_lokr(value: Any, context: Context) -> Any:
    if context.algo != "lokr":
        raise Dropped("for LoKr alone")
    return value


# ------------------------------------------------------------------ what is built, and where


def target(_value: Any, context: Context) -> str:
    return context.target


def precision(_value: Any, context: Context) -> str:
    return context.precision


def quantizer(value: Any, context: Context) -> str:
    found = QUANTIZERS[str(value).lower()]
    if not found:
        raise Dropped(f"Rtn rounds before ModelBuilder builds; {value} is not needed")
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
        raise Dropped(f"{context.precision} weights are not quantized")


# ------------------------------------------------------------------ the model and the rows


def model(value: Any, context: Context) -> str:
    """A model that `new` takes, from a hub id, a folder, or a folder that is named like one.

    Raises:
        Dropped: it is no model of this architecture, or nothing that can be found.
    """
    given = text(value, context).strip().rstrip("/\\")
    known = catalog.find(given)
    if known:
        return known.ref
    there = context.find(given)
    if there and (there / "config.json").is_file():
        return str(there.resolve())
    last = given.replace("\\", "/").rsplit("/", 1)[-1]
    for entry in catalog.ENTRIES:
        if entry.hub_id and last.lower() in (entry.name, entry.hub_id.rsplit("/", 1)[-1].lower()):
            return entry.ref
    if last.lower() in ("phi-3-mini", "phi3-mini", "phi-3", "phi3"):
        return catalog.DEFAULT
    raise Dropped(
        f"{given} is no folder here and not among `phi3scaffold models`; "
        f"{catalog.DEFAULT} stands in, --model NAME changes it"
    )


def rows(value: Any, context: Context) -> str:
    """The path of the rows."""
    if isinstance(value, list):
        if len(value) != 1:
            raise Dropped("several files: put them into one folder, and give --data FOLDER")
        value = value[0]
    found = context.find(text(value, context))
    if found is None:
        raise Dropped(f"{value} is not here; sample rows stand in, --data ROWS gives yours")
    return str(found)


held_out_rows = rows


def data_set(value: Any, context: Context) -> str:
    """``owner/name`` on the hub; a format's name is none."""
    given = text(value, context)
    if given in FORMATS:
        raise Dropped("the file's own name says what it is")
    there = context.find(given)
    if there:
        return str(there)
    if given.lower().endswith(KINDS) or not hub.is_hub_id(given):
        raise Dropped(f"{given} is neither here nor OWNER/NAME; sample rows stand in, --data ROWS")
    return given


def split(value: Any, _: Context) -> float:
    """``train[:70%]`` leaves 0.3 to hold out."""
    part = re.fullmatch(r"train\[:(\d+)%\]", str(value))
    if part and 0 < int(part[1]) < 100:
        return round(1 - int(part[1]) / 100, 2)
    if value != "train":
        raise Dropped(f"{value}: files of rows are read whole; name the file of that split: --data")
    raise Dropped("files.train names them")


def turns(value: Any, context: Context) -> Turns:
    template = text(value, context)
    if "\n" not in template:  # written without quotes in YAML, say
        template = template.replace("\\n", "\n")
    try:
        return split_turns(template)
    except NotSplit as error:
        raise Dropped(
            f"it cannot be split: {error}; the turns are guessed from the columns, "
            "see datasets/dataset.yaml"
        ) from None


def columns(value: Any, context: Context) -> Turns:
    """Without a template Olive joined the columns with blanks."""
    if context.own_template:
        raise Dropped("the text_template names the columns")
    names = [value] if isinstance(value, str) else listed(value, context)
    return turns(" ".join(f"{{{name}}}" for name in names), context)
