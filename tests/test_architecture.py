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
    "phi3scaffold.conversion.kquant",
    "phi3scaffold.evaluation.preload",
    "phi3scaffold.stages.olive_rows",
    *(
        f"phi3scaffold.training.{name}"
        for name in (
            "attention",
            "best_state",
            "checkpoints",
            "data_components",
            "fused_layers",
            "fused_norms",
            "fused_rotations",
            "passes",
            "row_attention",
            "trainer",
        )
    ),
)
# The rooms, from the command line down to a project's files. A room imports only rooms below it.
ROOMS = (
    "__main__",
    "api",
    "cli",
    "checks",
    "publishing",
    "targets",
    "search",
    "stages",
    "reporting",
    "serving",
    "migration",
    "generator",
    "evaluation",
    "inference",
    "conversion",
    "training",
    "datasets",
    "models",
    "pipeline",
    "project",
)
OLIVE = ("migration", "conversion", "training")
# `--help` answers at once: tens of milliseconds each.
SLOW = ("copier", "huggingface_hub", "jinja2", "rich", "yaml")


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, *, top_level: bool = False) -> Iterator[tuple[str, int]]:
    """(absolute module, line) of what a file imports; for `from a import b`, both a and a.b.

    With `top_level` only what runs when the module is imported: no function, no TYPE_CHECKING.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if top_level and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
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


def room_of(module: str) -> str:
    """The room a module of the package lies in; "" for the package itself."""
    return module.split(".")[1] if "." in module else ""


def imported_files() -> dict[str, dict[str, int]]:
    """module -> the modules of ours that it imports, with the line; functions and types, too."""
    known = {name_of(path) for path in MODULES}
    found: dict[str, dict[str, int]] = {}
    for path in MODULES:
        own = name_of(path)
        seen = [(module, line) for module, line in imports(path) if module in known]
        # `from a.b import c`, where c is a file: b is only passed through
        through = {
            str(node.module)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom)
            and all(f"{node.module}.{alias.name}" in known for alias in node.names)
        }
        found[own] = {module: line for module, line in seen if module not in {own, *through}}
    return found


def test_every_folder_is_a_room() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name[0] != "_"}
    assert folders | {"__main__", "api"} == set(ROOMS)


def test_every_room_says_what_comes_in_and_what_goes_out() -> None:
    said = {
        room: ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text("utf-8")))
        for room in ROOMS[2:]
    }
    first = {room: (text or "").split("\n\n")[0].replace("\n", " ") for room, text in said.items()}
    assert [room for room, text in first.items() if not ("in;" in text and "out" in text)] == []


def test_a_room_imports_only_rooms_below_it() -> None:
    upwards = [
        f"{module}:{line} imports {other}"
        for module, others in imported_files().items()
        for other, line in others.items()
        if room_of(module)
        and room_of(other)
        and ROOMS.index(room_of(other)) < ROOMS.index(room_of(module))
    ]
    assert upwards == []


def test_no_files_import_each_other_in_a_circle() -> None:
    import graphlib

    arrows = {module: set(others) for module, others in imported_files().items()}
    circle: list[str] = []
    try:
        tuple(graphlib.TopologicalSorter(arrows).static_order())
    except graphlib.CycleError as error:
        circle = error.args[1]
    assert circle == []


def test_only_the_generator_imports_copier() -> None:
    assert outside(("generator",), "copier") == []


def test_only_training_conversion_and_migration_import_olive() -> None:
    assert outside(OLIVE, "olive") == []


@pytest.mark.parametrize("package", [name for name in HEAVY if name != "pyarrow"])
def test_the_light_rooms_import_nothing_heavy(package: str) -> None:
    """pyarrow belongs to the light installation: datasets/ reads parquet with it."""
    heavy = [
        room for room in ROOMS if room not in ("api", "cli", "generator", "project", "__main__")
    ]
    assert outside(tuple(heavy), package) == []


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
        "from phi3scaffold.__main__ import VERBS\n"
        "every = [row for verb in VERBS.values() for row in (verb, *verb.verbs.values())]\n"
        "for verb in every:\n"
        "    if not verb.module:\n        assert verb.verbs\n        continue\n"
        "    module = verb.load()\n"
        "    assert callable(module.add_arguments) and callable(module.run), verb\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_class_name_has_one_meaning() -> None:
    places: dict[str, list[str]] = {}
    for path in MODULES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(name_of(path))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_the_tests_mirror_the_rooms() -> None:
    own = {"benchmarks", "e2e", "stress", "support", "template", "tools"}
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}
    assert {name for name in folders if name[0] not in "_."} - own <= set(ROOMS)


def test_files_are_short() -> None:
    sources = [*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "template").rglob("*.py")]
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources}
    assert {str(path): length for path, length in lengths.items() if length > LONGEST} == {}
