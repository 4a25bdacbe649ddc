"""The machine: its processor, memory and GPUs, by the system and not by PyTorch."""

from __future__ import annotations

import csv
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")  # of /proc and /sys
FULL = 0.9  # of the processors: from there on programs wait for each other
MOST_LOAD = 8.0
PATIENCE = 5.0  # seconds for a program to answer
# What a feature is called: in Linux's list of flags, by macOS, in Windows' numbers.
FEATURES = {
    "AVX2": ("avx2", "machdep.cpu.leaf7_features AVX2", 40),
    "AVX512": ("avx512f", "machdep.cpu.leaf7_features AVX512F", 41),
    "AVX512-BF16": ("avx512_bf16", "", None),
    "AMX-BF16": ("amx_bf16", "", None),
    "NEON": ("asimd", "hw.optional.neon 1", 19),
    "BF16": ("bf16", "hw.optional.arm.FEAT_BF16 1", None),
    "SVE": ("sve", "", None),
}
BFLOAT16 = ("AVX512-BF16", "AMX-BF16", "BF16")  # multiplied, not only stored


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU: bytes of memory, compute capability such as 9.0 (0 where unknown)."""

    name: str
    memory: int
    driver: str
    capability: float


def is_arm() -> bool:
    return platform.machine().lower() in ("arm64", "aarch64")


def features() -> frozenset[str] | None:
    """Return which of `FEATURES` the processor has; None where the system does not say."""
    if sys.platform == "win32":
        import ctypes

        has = ctypes.windll.kernel32.IsProcessorFeaturePresent
        names = {name for name, (_, _, number) in FEATURES.items() if number and has(number)}
    elif sys.platform == "darwin":
        # one key at a time: sysctl fails for those that the other kind of processor has
        names = set()
        for name, (_, key, _) in FEATURES.items():
            where, _, word = key.partition(" ")
            if word and word in (ask("sysctl", "-n", where) or "").split():
                names.add(name)
        if not names:
            return None
    else:
        text = _read(ROOT / "proc" / "cpuinfo")
        match = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
        if match is None:
            return None
        flags = match[1].split()
        names = {name for name, (flag, _, _) in FEATURES.items() if flag in flags}
    return frozenset(names)


def has_bfloat16() -> bool | None:
    """Tell whether this processor multiplies bfloat16 by itself; None where that is unknown.

    It is the answer that PyTorch gives when it trains (training/passes.py), without loading it.
    """
    names = features()
    if names is None or sys.platform == "win32":
        return None
    return any(name in names for name in BFLOAT16)


def processor() -> str:
    """Return the processor's name, as far as the system tells it."""
    if sys.platform == "darwin":
        return (ask("sysctl", "-n", "machdep.cpu.brand_string") or "").strip() or platform.machine()
    match = re.search(r"^model name\s*:\s*(.*)$", _read(ROOT / "proc" / "cpuinfo"), re.MULTILINE)
    return match[1] if match else platform.processor() or platform.machine()


def cores() -> int:
    """Return how many logical processors this process may be put on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # Windows, macOS
        return os.cpu_count() or 1


def cpu_quota() -> float | None:
    """Return how many processors' time a container may take; None where there is no limit."""
    limits = []
    for folder in _cgroups("cpu"):
        quota, _, period = _read(folder / "cpu.max").strip().partition(" ")
        if not quota:  # version 1
            quota = _read(folder / "cpu.cfs_quota_us").strip()
            period = _read(folder / "cpu.cfs_period_us").strip()
        if quota.isdigit() and period.isdigit() and int(period):
            limits.append(int(quota) / int(period))
    return min(limits, default=None)


def load(seconds: float = 0.3) -> float:
    """Return the programs that want a processor, for each one that there is: 0 on a quiet machine.

    A program that uses every processor takes `1 + load` times as long as on a quiet machine.
    """
    import psutil

    used = min(1.0, psutil.cpu_percent(interval=seconds) / 100)
    if used < FULL or not hasattr(os, "getloadavg"):
        return used
    return max(used, min(MOST_LOAD, os.getloadavg()[0] / (os.cpu_count() or 1)))


def memory_limit() -> int | None:
    """Return the bytes that a container may take; None where there is no limit."""
    limits = []
    for folder in _cgroups("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _read(folder / name).strip()
            if text.isdigit() and int(text) < 1 << 60:  # version 1 writes nearly 2**63 for none
                limits.append(int(text))
    return min(limits, default=None)


def memory() -> tuple[int, int, int]:
    """Return bytes in all, available now, and of swap; a container's limit is respected."""
    import psutil

    virtual = psutil.virtual_memory()
    limit = memory_limit()
    swap = psutil.swap_memory().total
    if limit is None or limit >= virtual.total:
        return virtual.total, virtual.available, swap
    used = min((_used(folder) for folder in _cgroups("memory")), default=0)
    return limit, min(virtual.available, max(0, limit - used)), 0


def _used(folder: Path) -> int:
    """Return the bytes that a container holds and could not give back."""
    for name, stat in (("memory.current", "inactive_file"), ("memory.usage_in_bytes", "cache")):
        text = _read(folder / name).strip()
        if text.isdigit():
            match = re.search(rf"^{stat} (\d+)$", _read(folder / "memory.stat"), re.MULTILINE)
            return int(text) - (int(match[1]) if match else 0)
    return sys.maxsize  # says nothing


def _cgroups(controller: str) -> list[Path]:
    """Return the folders of this process's control group and of those above, both versions."""
    base = ROOT / "sys" / "fs" / "cgroup"
    folders = []
    for line in ["0::/", f"0:{controller}:/", *_read(ROOT / "proc/self/cgroup").splitlines()]:
        _, names, path = [*line.split(":", 2), "", ""][:3]
        top = base if not names else base / controller
        if names and controller not in names.split(","):
            continue
        inside = top / path.strip().lstrip("/")
        folders += [one for one in (inside, *inside.parents) if one == top or top in one.parents]
    return list(dict.fromkeys(folders))


def gpus() -> tuple[Gpu, ...]:
    """Return the NVIDIA GPUs that the driver shows, by nvidia-smi."""
    listed = _smi(
        "--query-gpu=name,memory.total,driver_version,compute_cap", "--format=csv,noheader"
    )
    cards = []
    for row in csv.reader((listed or "").splitlines(), skipinitialspace=True):
        if len(row) == 4:
            digits = re.match(r"\d+", row[1])
            memory = int(digits[0]) * 2**20 if digits else 0
            capability = float(row[3]) if re.fullmatch(r"\d+\.\d+", row[3]) else 0.0
            cards.append(Gpu(row[0], memory, row[2], capability))
    return tuple(cards)


def driver_cuda() -> float | None:
    """Return the newest CUDA that the driver can run, such as 13.0."""
    match = re.search(r"CUDA (?:\w+ )?Version\s*:\s*(\d+\.\d+)", _smi() or "")
    return float(match[1]) if match else None


def has_nvidia_card() -> bool:
    """Tell whether an NVIDIA GPU is plugged in, driver or not; Linux only."""
    for device in (ROOT / "sys" / "bus" / "pci" / "devices").glob("*"):
        vendor, kind = _read(device / "vendor").strip(), _read(device / "class").strip()
        if vendor == "0x10de" and kind.startswith("0x03"):
            return True
    return False


def windows_adapters() -> list[str]:
    """Return the display adapters of Windows, as its registry names them; empty elsewhere."""
    if sys.platform != "win32":
        return []
    import winreg

    names = []
    group = r"SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"
    for number in range(32):
        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, rf"{group}\{number:04}") as key:
                names.append(str(winreg.QueryValueEx(key, "DriverDesc")[0]))
        except OSError:
            continue
    return names


def ask(*words: str) -> str | None:
    """Return what a program prints; None where it is missing, fails or does not answer."""
    program = shutil.which(words[0])
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *words[1:]],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _smi(*words: str) -> str | None:
    return ask("nvidia-smi", *words) or ask("/usr/lib/wsl/lib/nvidia-smi", *words)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
