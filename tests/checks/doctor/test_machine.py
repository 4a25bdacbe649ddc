"""Machines made of files: processors, control groups, GPUs by a fake nvidia-smi."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from phi3scaffold.checks.doctor import gpu
from phi3scaffold.pipeline import machine
from phi3scaffold.stages import export, finetune, merge
from phi3scaffold.stages.measured_memory import GIB
from phi3scaffold.targets.doctor_context import DoctorContext
from tests.checks.doctor.conftest import (
    Make,
    environment_with,
    installed,
    memory_of,
    program,
    said,
    write,
)

See = Callable[..., DoctorContext]
MINI = "microsoft/Phi-3-mini-4k-instruct"
linux = pytest.mark.skipif(not Path("/proc/self").exists(), reason="/proc")
pytestmark = linux


def cpu(root: Path, flags: str, key: str = "flags") -> None:
    text = f"processor\t: 0\nmodel name\t: A processor\n{key}\t\t: fpu {flags}\n"
    write(root / "proc" / "cpuinfo", text)


@pytest.mark.parametrize(
    ("flags", "arm", "state", "words"),
    [
        ("avx2 avx512f avx512_bf16", False, "ok", "AVX512-BF16: trains in bfloat16"),
        ("avx2 avx512f amx_bf16 amx_tile", False, "ok", "trains in bfloat16"),
        ("avx2 avx512f", False, "note", "no bfloat16: training computes in float32"),
        ("sse4_2 avx", False, "warning", "shows no AVX2"),
        ("asimd bf16 sve", True, "ok", "trains in bfloat16"),
        ("asimd", True, "note", "no bfloat16"),
    ],
)
def test_what_a_processor_means_for_training(
    flags: str,
    arm: bool,
    state: str,
    words: str,
    root: Path,
    context: See,
    sound: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cpu(root, flags, "Features" if arm else "flags")
    monkeypatch.setattr(machine.platform, "machine", lambda: "aarch64" if arm else "x86_64")
    (told,) = said("processor", context(sound()))
    assert told.state == state
    assert words in told.what
    assert told.what.startswith("A processor")


def test_the_processor_is_what_pytorch_says_it_is() -> None:
    """The rule of training/passes.py, without PyTorch, on whatever this machine is."""
    torch = pytest.importorskip("torch")
    if machine.is_arm():
        assert machine.has_bfloat16() == bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    else:
        has = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        assert machine.has_bfloat16() == bool(has)


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ("hw.optional.neon) echo 1;; hw.optional.arm.FEAT_BF16) echo 1", {"NEON", "BF16"}),
        ("hw.optional.neon) echo 1;; hw.optional.arm.FEAT_BF16) echo 0", {"NEON"}),
        ("machdep.cpu.leaf7_features) echo RDWRFSGS AVX2 BMI2", {"AVX2"}),
    ],
)
def test_processors_of_macs_by_a_sysctl_that_knows_its_own_alone(
    answers: str, found: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "sysctl", f'case "$2" in {answers};; *) exit 1;; esac')
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(machine.sys, "platform", "darwin")
    assert machine.features() == found
    assert machine.has_bfloat16() is ("BF16" in found)


@pytest.mark.parametrize("files", [
    {"sys/fs/cgroup/cpu.max": "250000 100000\n"},
    {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "250000\n",
     "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
    {"proc/self/cgroup": "0::/user/mine\n", "sys/fs/cgroup/user/cpu.max": "250000 100000\n"},
])  # fmt: skip
def test_a_containers_quota_of_processors(
    files: dict[str, str], root: Path, context: See, sound: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in files.items():
        write(root / name, text)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    (told,) = said("cores", context(sound()))
    assert told.state == "warning"
    assert "2.5 of 8 cores" in told.what
    assert told.fix == "export OMP_NUM_THREADS=2"
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert said("cores", context(sound()))[0].state == "ok"


def test_threads_that_leave_cores_idle(
    root: Path, context: See, sound: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root / "sys/fs/cgroup/cpu.max", "max 100000\n")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert said("cores", context(sound()))[0].what == "8 cores"
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (told,) = said("cores", context(sound()))
    assert (told.state, told.fix) == ("warning", "unset OMP_NUM_THREADS")


def test_memory_decides_whether_the_model_fits(root: Path, context: See, sound: Make) -> None:
    cpu(root, "avx2 avx512_bf16")
    here = context(sound(model=MINI))
    memory_of(root, total=32, available=30)
    (told,) = said("memory", here)
    assert told.state == "ok"
    assert "32.0 GiB in all, 30.0 GiB free" in told.what
    memory_of(root, total=32, available=4)
    assert said("memory", here)[0].state == "warning"
    memory_of(root, total=8, available=7, swap=16)
    assert said("memory", here)[0].state == "warning"
    memory_of(root, total=8, available=7)
    (told,) = said("memory", here)
    assert told.state == "error"
    assert "for quantizing" in told.what
    assert "a smaller model" in str(told.fix)


@pytest.mark.parametrize("files", [
    {"sys/fs/cgroup/memory.max": f"{8 << 30}\n", "sys/fs/cgroup/memory.current": f"{2 << 30}\n",
     "sys/fs/cgroup/memory.stat": f"anon 7\ninactive_file {1 << 30}\n"},
    {"sys/fs/cgroup/memory/memory.limit_in_bytes": f"{8 << 30}\n",
     "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{2 << 30}\n",
     "sys/fs/cgroup/memory/memory.stat": f"cache {1 << 30}\n"},
])  # fmt: skip
def test_a_containers_limit_counts_not_the_machines(
    files: dict[str, str], root: Path, context: See, sound: Make
) -> None:
    memory_of(root, total=64, available=60, swap=8)
    for name, text in files.items():
        write(root / name, text)
    (told,) = said("memory", context(sound(model=MINI)))
    assert told.state == "error"
    assert "8.0 GiB in all, 7.0 GiB free" in told.what


def test_a_processor_without_bfloat16_takes_more(root: Path, context: See, sound: Make) -> None:
    memory_of(root, total=14, available=13)
    cpu(root, "avx2 avx512_bf16")
    assert said("memory", context(sound(model=MINI)))[0].state == "ok"
    cpu(root, "avx2")
    (told,) = said("memory", context(sound(model=MINI)))
    assert told.state == "error"
    assert "for training" in told.what


def test_a_project_of_the_cloud_needs_memory_to_answer_alone(
    root: Path, context: See, sound: Make
) -> None:
    memory_of(root, total=8, available=6)
    (told,) = said("memory", context(sound("aml", MINI)))
    assert told.state == "ok"
    assert "for evaluating" in told.what


def test_the_needs_are_those_that_the_documentation_says() -> None:
    docs = Path(__file__).parents[3] / "docs"
    pages = (docs / "numbers.md", docs / "how-to" / "quantization.md")
    pages_text = "".join(page.read_text(encoding="utf-8") for page in pages)
    need = {name: peak / GIB for name, peak in export.PEAKS.items()}
    assert f"{need['rtn']:.1f} GiB" in pages_text
    assert f"within {need['kquant']:.0f} GiB" in pages_text
    assert f"most of an hour, {need['gptq']:.0f} GiB" in pages_text
    assert f"{finetune.PEAK / GIB:.1f} GiB" in pages_text
    assert f"{merge.PEAK / GIB:.1f} GiB" in pages_text


SMI = """
case "$*" in
  *--query-gpu*) echo "NVIDIA A10G, 23028 MiB, 580.95.05, 8.6" ;;
  *) echo "| NVIDIA-SMI 580.95.05  Driver Version: 580.95.05  CUDA Version: 12.8 |" ;;
esac
"""


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a program `nvidia-smi` on PATH."""

    def put(script: str) -> None:
        program(tmp_path / "bin", "nvidia-smi", script)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    return put


def test_a_gpu_that_fits(project: Make, context: See, smi: Callable[[str], None]) -> None:
    smi(SMI)
    root = project("cuda", MINI)
    environment = environment_with(root, {"torch": ""})
    installed(environment, "torch", "2.13.0", "nvidia-cuda-runtime-cu12==12.8.90; x == 'y'")
    (told,) = said("gpu", context(root))
    assert told.state == "ok"
    assert told.what == "NVIDIA A10G, 22.5 GiB, driver 580.95.05"


@pytest.mark.parametrize(
    ("version", "requires", "words", "fix"),
    [
        ("2.13.0+cpu", "filelock", "is the build for the CPU", "unset PIP_EXTRA_INDEX_URL"),
        ("2.13.0", "filelock", "is the build for the CPU", "unset PIP_EXTRA_INDEX_URL"),
        ("2.13.0", "nvidia-cuda-runtime==13.0.96", "CUDA 13; the driver runs CUDA 12.8", "driver"),
        ("2.13.0", 'cuda-toolkit[cublas]==13.0.2; platform_system == "Linux"', "CUDA 13", "driver"),
        ("2.13.0+cu130", "filelock", "is built for CUDA 13", "driver"),
    ],
)
def test_a_pytorch_that_cannot_use_the_gpu(
    version: str,
    requires: str,
    words: str,
    fix: str,
    project: Make,
    context: See,
    smi: Callable[[str], None],
) -> None:
    smi(SMI)
    root = project("cuda", MINI)
    installed(environment_with(root, {"torch": ""}), "torch", version, requires)
    _, told = said("gpu", context(root))
    assert told.state == "error"
    assert words in told.what
    assert fix in str(told.fix)


def test_a_gpu_that_is_too_small_or_too_old(
    sound: Make, project: Make, context: See, smi: Callable[[str], None]
) -> None:
    smi("echo 'NVIDIA GeForce GTX 1060, 6144 MiB, 535.54, 6.1'")
    told = said("gpu", context(sound("cuda", MINI)))[0]
    assert told.state == "warning"
    assert "take 7.1 GiB" in told.what
    root = project("cuda", MINI)
    config = root / "fine-tuning" / "olive-config.json"
    config.write_text(config.read_text().replace('"type": "LoRA"', '"type": "QLoRA"'))
    assert said("gpu", context(root))[0].state == "note"  # 4 bits fit
    told = said("gpu", context(sound("cuda")))[0]
    assert told.state == "note"
    assert "no bfloat16 (compute capability 6.1" in told.what


def test_no_gpu_and_a_gpu_without_its_driver(
    sound: Make, context: See, root: Path, smi: Callable[[str], None]
) -> None:
    smi("echo 'NVIDIA-SMI has failed because it could not communicate with the driver.'; exit 9")
    (told,) = said("gpu", context(sound("cuda")))
    assert told.state == "error"
    assert "there is none here" in told.what
    assert "--local" in str(told.fix)
    device = root / "sys/bus/pci/devices/0000:00:1e.0"
    write(device / "vendor", "0x10de\n")
    write(device / "class", "0x030200\n")
    (told,) = said("gpu", context(sound("cuda")))
    assert told.state == "error"
    assert "its driver does not answer" in told.what


def test_a_gpu_that_a_project_for_the_cpu_leaves_alone(
    sound: Make, context: See, smi: Callable[[str], None]
) -> None:
    smi(SMI)
    (told,) = said("gpu", context(sound()))
    assert told.state == "note"
    assert "--target cuda" in str(told.fix)
    assert said("gpu", context(sound("aml"))) == []


def test_directml_trains_here_and_answers_on_windows(sound: Make, context: See) -> None:
    (told,) = said("gpu", context(sound("directml")))
    assert told.state == "note"
    assert "answers on Windows alone" in told.what


def test_what_a_real_driver_prints_is_understood() -> None:
    for text in ("CUDA Version: 13.0", "CUDA Version                              : 13.0",
                 "CUDA UMD Version: 13.0"):  # fmt: skip
        assert re.search(r"CUDA (?:\w+ )?Version\s*:\s*(\d+\.\d+)", text)
    assert gpu._cuda_of("2.13.0", ["nvidia-cuda-runtime-cu12==12.8.90"]) == 12


def test_shared_memory_for_several_gpus(
    sound: Make,
    context: See,
    root: Path,
    smi: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import shutil

    (root / "dev" / "shm").mkdir(parents=True)
    smi("echo 'A, 23028 MiB, 580, 8.6'; echo 'B, 23028 MiB, 580, 8.6'")
    usage = shutil.disk_usage(root)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(total=64 << 20))
    (told,) = said("shared-memory", context(sound("cuda")))
    assert told.state == "warning"
    assert "64 MiB, too little for 2 GPUs" in told.what
    assert "--shm-size=16g" in str(told.fix)
    assert said("shared-memory", context(sound()))[0].state == "ok"
