"""Types of options, as argparse calls them: a wrong value gives a message and exit code 2."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from typing import Any

from phi3scaffold.inference.answer_settings import AT_LEAST_ONE
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.setting_names import ValueRule

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)


def typed_as(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a reader of settings as argparse needs it."""

    def typed(text: str) -> Any:
        try:
            return read(text)
        except ScaffoldError as error:
            raise argparse.ArgumentTypeError(error.what) from None

    return typed


count = typed_as(AT_LEAST_ONE)


def port(text: str) -> int:
    """Return the number of a port; 0 stands for a free one. Raises ArgumentTypeError."""
    number = int(text) if text.isdecimal() and len(text) < 6 else -1
    if not 0 <= number < 65536:
        raise argparse.ArgumentTypeError(f"{text!r:.40} is not a port from 0 to 65535")
    return number


def number(rule: ValueRule) -> Callable[[str], int | float]:
    """Return a reader of a number for which `rule` holds. The reader raises ArgumentTypeError."""

    def read(text: str) -> int | float:
        value = float(text) if NUMBER.fullmatch(text) else math.nan
        if text.removeprefix("-").isdecimal():
            value = int(text)
        if not rule.holds(value):
            raise argparse.ArgumentTypeError(f"it must be {rule.text}, not {text!r:.40}")
        return value

    return read
