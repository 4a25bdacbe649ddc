"""Pack the running package into a wheel, so that a project carries its own runtime.

The bytes depend on nothing but the package's content: fixed dates, sorted names, and a version
whose local part is a hash of the files. So an environment that has other code is really updated
by `pip install`, and the same code gives the same file.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from fnmatch import fnmatch
from pathlib import Path

from phi3scaffold.generator import template
from phi3scaffold.generator.requirements import (
    NAME,
    Distribution,
    constraints,
    distribution,
    hashes,
)

EPOCH = (1980, 1, 1, 0, 0, 0)
WEIGHTS = "models/tiny/"
RECORD = "_wheel"  # the key of the answers file


def write_wheel(folder: Path, *, weights: bool = False) -> Path:
    """Write ``phi3scaffold-<version>+<hash>-py3-none-any.whl``; `weights`: with those of tiny."""
    found = distribution()
    files = package_files(weights)
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    digest.update(repr(found).encode())
    version = f"{found.version}+{digest.hexdigest()[:10]}"
    info = f"{NAME}-{version}.dist-info"
    files |= {
        f"{info}/METADATA": _metadata(found, version).encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: phi3scaffold\n"
        b"Root-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": found.entry_points.encode(),
    }
    record = "".join(
        f"{name},{record_hash(content)},{len(content)}\n" for name, content in files.items()
    )
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    path = folder / f"{NAME}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            # Weights do not shrink, and packing them would take most of the time.
            packed = not name.endswith(".safetensors")
            entry.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
            entry.external_attr = 0o100644 << 16
            entry.create_system = 3
            archive.writestr(entry, content)
    return path


def record_wheel(root: Path) -> None:
    """Write into a new answers file which wheel is in setup/: what the set-up script compares."""
    path = root / template.ANSWERS
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    for wheel in (root / "setup").glob(f"{NAME}-*.whl"):
        put_record(lines, file_hash(wheel))
    path.write_text("".join(lines), encoding="utf-8", newline="\n")


def put_record(lines: list[str], recorded: str) -> None:
    """Put the line of the wheel in its place among those of an answers file."""
    place = next(n for n, line in enumerate(lines, 1) if line.startswith("_src_path:"))
    lines.insert(place, f"{RECORD}: {recorded}\n")


def file_hash(path: Path) -> str:
    """Return a file's hash as the answers file records it."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def wrong_wheel(wheel: Path, recorded: object) -> str | None:
    """Return what is wrong with a wheel by the record of the answers file; None where it is that.

    Args:
        recorded: what stands there; None where nothing does.
    """
    if recorded is None:
        return f"{template.ANSWERS} does not say which wheel belongs to the project."
    if file_hash(wheel) != recorded:
        return f"It is not the wheel that {template.ANSWERS} names: its sha256 is another."
    return None


def package_files(weights: bool) -> dict[str, bytes]:
    """Return the content of the package and the template by name in the wheel, sorted."""
    files = _below(template.PACKAGE, NAME)
    files |= _below(template.folder(), f"{NAME}/template")
    for fixed in (constraints(), hashes()):
        if fixed is not None:
            files[f"{NAME}/{fixed.name}"] = fixed.read_bytes()
    if not weights:
        files = {k: v for k, v in files.items() if not k.startswith(f"{NAME}/{WEIGHTS}")}
    return dict(sorted(files.items()))


def _below(folder: Path, prefix: str) -> dict[str, bytes]:
    found = {}
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        left_out = any(
            fnmatch(part, pattern) for part in relative.parts for pattern in template.NOT_SHIPPED
        )
        if not left_out and path.is_file():
            found[f"{prefix}/{relative.as_posix()}"] = path.read_bytes()
    return found


def _metadata(found: Distribution, version: str) -> str:
    lines = [("Metadata-Version", "2.4"), ("Name", NAME), ("Version", version), *found.fields]
    lines += [("Requires-Dist", line) for line in found.base]
    for extra, requirements in found.extras.items():
        lines.append(("Provides-Extra", extra))
        for line in requirements:
            name, _, marker = line.partition(";")
            clause = f'extra == "{extra}"'
            both = f"({marker.strip()}) and {clause}" if marker.strip() else clause
            lines.append(("Requires-Dist", f"{name.strip()}; {both}"))
    return "".join(f"{key}: {value}\n" for key, value in lines)


def record_hash(content: bytes) -> str:
    """Return a file's hash as RECORD writes it."""
    encoded = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"sha256={encoded.rstrip(b'=').decode()}"
