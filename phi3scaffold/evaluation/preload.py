"""What every form that transformers runs imports: imported once, by the process they are forked of.

It takes longer than measuring `tiny` does. Only `alone` names this module.
"""

from __future__ import annotations

import logging

# PEFT brings bitsandbytes in, which warns of an optional package
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

import peft  # noqa: E402, F401
import torch  # noqa: E402, F401
import transformers.models.phi3.modeling_phi3  # noqa: E402, F401
