"""Keep out of the log what libraries warn of and we do on purpose, or they do themselves."""

from __future__ import annotations

import logging
import re
import warnings

# Of libraries' own code, or of names that the oldest version that we run still needs.
DEPRECATED = (
    r".*is_gradient_checkpointing.* is deprecated",
    r".*gradient_checkpointing.* is deprecated",
    r".*broadcast_buffers.* is deprecated",
)
LOGGED = {
    "bitsandbytes.backends.cpu.ops": r"Failed to load CPU gemm_4bit_forward",  # PyTorch's serves
    "transformers.configuration_utils": r".torch_dtype. is deprecated",
    "transformers.modeling_utils": r".torch_dtype. is deprecated",
    "transformers.trainer_utils": r"Warning: The following arguments do not match",  # shares
}


def leave_out_known_warnings() -> None:
    """Drop these warnings in this process; all others reach the log."""
    for pattern in DEPRECATED:
        warnings.filterwarnings("ignore", message=pattern)
    for name, pattern in LOGGED.items():
        logging.getLogger(name).addFilter(_Known(pattern))


class _Known(logging.Filter):
    """Drops the messages that begin as a pattern says."""

    def __init__(self, pattern: str) -> None:
        super().__init__()
        self._pattern = re.compile(pattern)

    def filter(self, record: logging.LogRecord) -> bool:
        return not self._pattern.match(record.getMessage())
