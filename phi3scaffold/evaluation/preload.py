"""Imports of every form that transformers runs, done once in the process that others are forked of.

They take longer than measuring `tiny` does. Only `subprocess_measurement` names this module.
"""

from __future__ import annotations

import logging

# PEFT brings bitsandbytes in, which warns of an optional package
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

import peft  # noqa: E402, F401
import torch  # noqa: E402, F401
import transformers.models.phi3.modeling_phi3  # noqa: E402, F401
