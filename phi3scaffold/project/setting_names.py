"""The short names of settings, and the values that settings of a training may have."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from phi3scaffold.project.errors import ScaffoldError

# What people call a setting -> its key.
SHORT_NAMES = {
    "epochs": "num_train_epochs",
    "rank": "r",
    "lr": "learning_rate",
    "batch": "per_device_train_batch_size",
    "accumulation": "gradient_accumulation_steps",
    "dropout": "lora_dropout",
    "warmup": "warmup_steps",
    "patience": "early_stopping_patience",
    "block": "group_size",
    "model": "model.id",
    "revision": "model.revision",
}


@dataclass(frozen=True)
class ValueRule:
    """What a number may be.

    Attributes:
        text: what it must be, for people.
        holds: whether a number is one.
    """

    text: str
    holds: Callable[[float], bool]


POSITIVE = ValueRule("a number above 0", lambda number: 0 < number < math.inf)
WHOLE = ValueRule("a whole number of at least 1", lambda number: type(number) is int and number > 0)
FROM_ZERO = ValueRule("a whole number from 0", lambda number: type(number) is int and number >= 0)
SHARE = ValueRule("a number from 0 to below 1", lambda number: 0 <= number < 1)
NOT_NEGATIVE = ValueRule("a number from 0", lambda number: 0 <= number < math.inf)
VALUE_RULES = {
    "num_train_epochs": POSITIVE,
    "learning_rate": POSITIVE,
    "r": WHOLE,
    "alpha": POSITIVE,
    "lora_dropout": SHARE,
    "rank_dropout": SHARE,
    "module_dropout": SHARE,
    "per_device_train_batch_size": WHOLE,
    "gradient_accumulation_steps": WHOLE,
    "warmup_steps": NOT_NEGATIVE,
    "logging_steps": POSITIVE,
    "eval_steps": POSITIVE,
    "save_steps": POSITIVE,
    "seed": FROM_ZERO,
}
KINDS = {bool: "true or false", int: "a number", float: "a number", list: "a list", str: "a text"}


def read_value(text: str, now: Any = None) -> Any:
    """Return the value that a typed text means, for a setting whose value is `now`."""
    import yaml

    stripped = text.strip()
    try:
        return json.loads(stripped, parse_constant=_refuse_constant)
    except ValueError:
        pass
    if stripped[:1] in ("[", "{"):
        try:
            return yaml.safe_load(stripped)
        except yaml.YAMLError as error:
            raise ScaffoldError(f"{text!r} is no list: {error}.".replace("\n", " ")) from None
    if stripped.lower() in ("true", "false"):
        return stripped.lower() == "true"
    if isinstance(now, list):
        return [part.strip() for part in stripped.split(",")]
    return text


def _refuse_constant(text: str) -> Any:
    raise ValueError(text)  # NaN and Infinity are no JSON


def check_value(key: str, value: Any, now: Any = None) -> None:
    """Refuse a value that a setting of olive-config.json cannot have.

    Args:
        key: the last part of its name.
        value: as `read_value` gives it.
        now: the value that it has; one of another kind is refused.

    Raises:
        ScaffoldError: without a place.
    """
    if value is None:
        return
    rule = VALUE_RULES.get(key)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if rule and not (is_number and rule.holds(value)):
        raise ScaffoldError(f"{key} must be {rule.text}, not {value!r}.")
    kind = KINDS.get(type(now))
    if not rule and kind and kind != KINDS.get(type(value)):
        raise ScaffoldError(f"{key} must be {kind}, as {now!r} is; not {value!r}.")


def short_name(key: str) -> str | None:
    """Return the short name of a key, where it has one."""
    return next((short for short, one in SHORT_NAMES.items() if one == key), None)
