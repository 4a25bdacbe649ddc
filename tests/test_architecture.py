"""What keeps the package in parts: who may import whom, what is imported late, file size."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "phi3scaffold"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 400  # lines
# Seconds and hundreds of megabytes: never when a module of ours is imported.
HEAVY = (
    "accelerate",
    "bitsandbytes",
    "datasets",
    "matplotlib",
    "numpy",
    "olive",
    "onnx",
    "onnxruntime",
    "onnxruntime_genai",
    "pandas",
    "peft",
    "pyarrow",
    "torch",
    "transformers",
)
# Subclasses of Olive's classes need them at module level; they are imported inside functions.
IMPORTED_LATE = (
    *(
        f"phi3scaffold.runtime.olive.{name}"
        for name in (
            "attention",
            "checkpoints",
            "components",
            "fused",
            "kquant",
            "passes",
            "trainer",
        )
    ),
    "phi3scaffold.evaluation.preload",
)
FROM_BELOW = ("forms", "asking", "serving")
# `--help` answers at once: tens of milliseconds each.
SLOW = ("copier", "huggingface_hub", "jinja2", "rich", "yaml")


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, *, top_level: bool = False) -> Iterator[tuple[str, int]]:
    """(absolute module, line) of what a file imports; for `from a import b`, both a and a.b.

    With `top_level` only what runs when the module is imported; TYPE_CHECKING blocks never count.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            pending += node.orelse
            continue
        if top_level and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield str(node.module), node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
        pending += ast.iter_child_nodes(node)


def below(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def breaches(inside: str, forbidden: tuple[str, ...], *, top_level: bool = False) -> list[str]:
    """Imports of `forbidden` in the files whose module lies below `inside`."""
    return sorted(
        {
            f"{path.relative_to(ROOT)}:{line}: {module}"
            for path in MODULES
            if below(name_of(path), inside)
            for module, line in imports(path, top_level=top_level)
            if below(module, *forbidden)
        }
    )


def outside(allowed: tuple[str, ...], package: str) -> list[str]:
    """Imports of `package` in files that lie below none of the folders `allowed`."""
    folders = tuple(f"phi3scaffold/{folder}/" for folder in allowed)
    found = breaches("phi3scaffold", (package,))
    return [line for line in found if not line.startswith(folders)]


def test_generator_and_runtime_never_import_each_other() -> None:
    assert breaches("phi3scaffold.generator", ("phi3scaffold.runtime",)) == []
    assert breaches("phi3scaffold.runtime", ("phi3scaffold.generator",)) == []


def test_nothing_below_imports_the_command_line() -> None:
    for inside in ("generator", "runtime", "targets", "checks", "catalog", "project", "errors"):
        assert breaches(f"phi3scaffold.{inside}", ("phi3scaffold.cli",)) == []


def test_only_cli_and_checks_know_both_halves() -> None:
    both = []
    for path in MODULES:
        found = {module for module, _ in imports(path)}
        halves = ("phi3scaffold.generator", "phi3scaffold.runtime")
        if all(any(below(module, half) for module in found) for half in halves):
            both.append(path.relative_to(PACKAGE).parts[0])
    assert set(both) <= {"cli", "checks"}


def test_the_server_builds_on_asking_and_asking_on_forms() -> None:
    forms, asking, serving = (f"phi3scaffold.runtime.{name}" for name in FROM_BELOW)
    assert breaches(forms, (asking, serving)) == []
    assert breaches(asking, (serving,)) == []


def test_only_the_generator_imports_copier() -> None:
    assert outside(("generator",), "copier") == []


def test_only_runtime_olive_imports_olive() -> None:
    assert outside(("runtime/olive",), "olive") == []


@pytest.mark.parametrize("package", HEAVY)
def test_heavy_packages_are_imported_only_in_the_runtime(package: str) -> None:
    """And where this machine is asked what it can do, and by the script that made tiny.

    pyarrow belongs to the light installation: rows/ reads parquet with it.
    """
    light = ("rows",) if package == "pyarrow" else ()
    assert outside(("runtime", "targets", "checks", "tiny", *light), package) == []


def test_heavy_packages_are_imported_only_in_functions() -> None:
    late = tuple(f"{name.replace('.', '/')}.py:" for name in IMPORTED_LATE)
    found = breaches("phi3scaffold", HEAVY, top_level=True)
    assert [line for line in found if not line.startswith(late)] == []


def test_importing_every_module_imports_nothing_heavy() -> None:
    """The same, by importing every module (which also sees what they import of each other)."""
    light = [
        name_of(path)
        for path in MODULES
        if name_of(path) not in IMPORTED_LATE and path.name != "__main__.py"
    ]
    code = (
        "import importlib, sys\n"
        f"for name in {light!r}:\n"
        "    importlib.import_module(name)\n"
        f"    late = [heavy for heavy in {HEAVY!r} if heavy in sys.modules]\n"
        "    assert not late, (name, late)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_help_imports_nothing_slow() -> None:
    code = (
        "import sys\n"
        "from phi3scaffold.__main__ import VERBS\n"
        "from phi3scaffold.cli import main\n"
        "try:\n    main(VERBS, ['--help'])\n"
        "except SystemExit:\n    pass\n"
        f"print([name for name in {SLOW + HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_verb_has_a_module_with_the_two_functions() -> None:
    code = (
        "import importlib\n"
        "from phi3scaffold.__main__ import VERBS\n"
        "for verb in VERBS.values():\n"
        "    module = importlib.import_module(verb.module)\n"
        "    assert callable(module.add_arguments) and callable(module.run), verb\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_files_are_short() -> None:
    sources = [*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "template").rglob("*.py")]
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources}
    assert {str(path): length for path, length in lengths.items() if length > LONGEST} == {}
