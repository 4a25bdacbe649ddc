"""The processor multiplies bfloat16 by itself, and has AVX2 or NEON.

Training computes in bfloat16 where the processor has AVX512-BF16 or AMX (Intel, AMD), or BF16
(Arm); emulated, bfloat16 would be many times slower, so it is float32 elsewhere, which takes twice
the memory for the weights. Without AVX2 or NEON, PyTorch and ONNX Runtime are many times slower,
or do not start.

To mend it: for float32 nothing has to be done. A virtual machine may hide what its host has:
choose the CPU type `host` (QEMU, Proxmox). Else use another machine.
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.checks.doctor_context import Scene
from phi3scaffold.checks.verdict import Verdict
from phi3scaffold.pipeline import machine

ID = "D07-processor"


def check(scene: Scene) -> Iterator[Verdict]:
    found, name = machine.features(), machine.processor()
    if found is None:
        yield Verdict(ID, "note", f"{name}: the system does not say what it can do")
        return
    told = f"{name}: {', '.join(one for one in machine.FEATURES if one in found)}"
    if not machine.is_arm() and "AVX2" not in found:
        yield Verdict(
            ID,
            "warning",
            f"{name} shows no AVX2: PyTorch and ONNX Runtime are many times slower, or do not "
            "start",
            fix="another machine; in a virtual machine the CPU type `host`",
        )
        return
    if scene.remote or scene.target == "cuda":
        yield Verdict(ID, "ok", told)
        return
    bfloat16 = machine.has_bfloat16()
    if bfloat16:
        yield Verdict(ID, "ok", f"{told}: trains in bfloat16")
    elif bfloat16 is None:
        yield Verdict(ID, "ok", f"{told}; the system does not say whether it has bfloat16")
    else:
        yield Verdict(
            ID,
            "note",
            f"{told}; no bfloat16: training computes in float32, and its weights take twice the "
            "memory",
            fix="nothing has to be done; a processor with AVX512-BF16, AMX or Arm's BF16 is faster",
        )
