"""The processor supports bfloat16, and AVX2 or NEON.

Training computes in bfloat16 where the processor has AVX512-BF16 or AMX (Intel, AMD), or BF16
(Arm). Emulated bfloat16 would be many times slower, so other processors train in float32, which
takes twice the memory for the weights. Without AVX2 or NEON, PyTorch and ONNX Runtime are many
times slower, or do not start.

To fix it: float32 needs no action. A virtual machine may hide what its host supports: choose the
CPU type `host` (QEMU, Proxmox), or use another machine.
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.pipeline import machine
from phi3scaffold.project.findings import Finding
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D07-processor"


def check(context: DoctorContext) -> Iterator[Finding]:
    found, name = machine.features(), machine.processor()
    if found is None:
        yield Finding(ID, "note", f"{name}: the system does not say what it can do")
        return
    message = f"{name}: {', '.join(one for one in machine.FEATURES if one in found)}"
    if not machine.is_arm() and "AVX2" not in found:
        what = f"{name} shows no AVX2: "
        what += "PyTorch and ONNX Runtime are many times slower, or do not start"
        fix = "another machine; in a virtual machine the CPU type `host`"
        yield Finding(ID, "warning", what, fix=fix)
        return
    bfloat16 = machine.has_bfloat16()
    if context.remote or context.trains_on_gpu:
        yield Finding(ID, "ok", message)
    elif bfloat16:
        yield Finding(ID, "ok", f"{message}: trains in bfloat16")
    elif bfloat16 is None:
        yield Finding(ID, "ok", f"{message}; the system does not say whether it has bfloat16")
    else:
        message += (
            "; no bfloat16: training computes in float32, and its weights take twice the memory"
        )
        fix = "nothing has to be done; a processor with AVX512-BF16, AMX or Arm's BF16 is faster"
        yield Finding(ID, "note", message, fix=fix)
