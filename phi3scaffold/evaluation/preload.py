"""Imports of every form that transformers runs, done once in the process that others are forked of.

They take longer than measuring `tiny` does. Only `subprocess_measurement` names this module; it
adds that of the model's family.
"""

from __future__ import annotations

import logging

# PEFT brings bitsandbytes in, which warns of an optional package
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

import peft  # noqa: E402, F401
import torch  # noqa: E402, F401
import transformers.modeling_utils  # noqa: E402, F401
