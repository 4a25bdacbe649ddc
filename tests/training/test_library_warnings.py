"""The log has what a person should read: not what libraries say of their own code, or of ours."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import logging, warnings
from phi3scaffold.training.library_warnings import leave_out_known_warnings
logging.basicConfig(format="%(message)s")
leave_out_known_warnings()
for name, text in {said!r}:
    logging.getLogger(name).warning(text)
for text in {warned!r}:
    warnings.warn(text, FutureWarning)
"""


def test_only_known_warnings_are_left_out() -> None:
    said = [
        ("transformers.configuration_utils", "`torch_dtype` is deprecated! Use `dtype` instead!"),
        ("transformers.configuration_utils", "a setting is not known"),
        ("bitsandbytes.backends.cpu.ops", "Failed to load CPU gemm_4bit_forward from kernels"),
    ]
    warned = ["`is_gradient_checkpointing` is deprecated and will be removed", "data is deprecated"]
    code = CODE.format(said=said, warned=warned)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stderr
    assert "a setting is not known" in done and "data is deprecated" in done
    assert "torch_dtype" not in done and "gemm" not in done and "checkpointing" not in done
