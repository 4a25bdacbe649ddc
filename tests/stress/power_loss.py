"""Cut the power while stages are published and files are written: the old is found, or the new."""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from phi3scaffold.pipeline import atomic_publish, manifest
from phi3scaffold.pipeline.atomic_folder import published
from phi3scaffold.pipeline.hashing import StatCache
from phi3scaffold.pipeline.runner import run_pipeline
from phi3scaffold.pipeline.stage import Context, Inputs, Stage
from phi3scaffold.pipeline.stage_runner import scratch
from phi3scaffold.project.files import write_together, write_whole
from phi3scaffold.project.settings import Project
from tests.stress.lossy_disk import cut_power
from tests.stress.rounds import Row, main, repeat

OLD, NEW = "the old state", "the new state"


def _write(context: Context) -> dict[str, int]:
    """A stage's work: a large file, a small one in a folder, and what it says of them."""
    rows = (context.project.root / "rows").read_bytes()
    (context.out / "weights").write_bytes(rows * 1000)
    (context.out / "inner").mkdir()
    (context.out / "inner" / "settings").write_bytes(rows)
    return {"length": len(rows)}


STAGES = {
    name: Stage(
        name=name,
        title=name,
        folder=lambda project, name=name: project.gen / name,  # type: ignore[misc]
        inputs=lambda project: Inputs(files=(project.root / "rows",)),
        run=_write,
    )
    for name in ("first", "second")
}


def _ignore(_: object) -> None:
    """Take no event."""


def _project(root: Path) -> Project:
    return Project(root=root, model_id="tiny", revision="main", target="cpu", evaluate_rows=1)


def check_stages(root: Path) -> str:
    """Every stage's folder is whole, and of the rows before or after; the next run succeeds."""
    project = _project(root)
    folders = [stage.folder(project) for stage in STAGES.values()]
    atomic_publish.recover(folders, scratch(project))
    states = set()
    for folder in folders:
        record = manifest.read(folder)
        assert record is not None, f"{folder.name} has no manifest"
        damaged = manifest.first_difference(folder, record, StatCache(root / "none"))
        assert damaged is None, f"{folder.name}: {damaged} is damaged"
        states.add((folder / "inner" / "settings").read_bytes())
    assert states <= {b"old", b"new"}, states
    (root / "rows").write_bytes(b"new")
    run_pipeline(project, list(STAGES), STAGES, _ignore)
    for folder in folders:
        assert (folder / "weights").read_bytes() == b"new" * 1000, folder
    return OLD if b"old" in states else NEW


def prepare_stages(root: Path) -> None:
    """Publish the old state, and write the rows of the new."""
    (root / "rows").write_bytes(b"old")
    run_stages(root)
    (root / "rows").write_bytes(b"new")


def run_stages(root: Path) -> None:
    run_pipeline(_project(root), list(STAGES), STAGES, _ignore)


def _stages(root: Path) -> tuple[Callable[[], object], Callable[[], str]]:
    prepare_stages(root)
    return lambda: run_stages(root), lambda: check_stages(root)


def _files(root: Path) -> tuple[Callable[[], object], Callable[[], str]]:
    one, other = root / "project.yaml", root / "olive-config.json"
    for path in (one, other):
        path.write_bytes(b"old" * 99)

    def work() -> None:
        write_together({one: b"new" * 99, other: b"new" * 99})
        write_whole(one, b"more" * 99)

    def check() -> str:
        for path in (one, other):
            assert path.read_bytes() in (b"old" * 99, b"new" * 99, b"more" * 99), path.name
        return NEW if other.read_bytes() == b"new" * 99 else OLD

    return work, check


def _new_folder(root: Path) -> tuple[Callable[[], object], Callable[[], str]]:
    def work() -> None:
        with published(root / "proj") as staging:
            (staging / "inner").mkdir()
            for name in ("project.yaml", "inner/rows", "inner/script"):
                (staging / name).write_bytes(b"new" * 99)

    def check() -> str:
        if not (root / "proj").exists():
            return OLD
        for name in ("project.yaml", "inner/rows", "inner/script"):
            assert (root / "proj" / name).read_bytes() == b"new" * 99, name
        return NEW

    return work, check


CASES = (_stages, _stages, _files, _new_folder)


def one_round(number: int) -> str:
    """Cut the power once, at a random call of a case's work; return what was found."""
    rng = random.Random(number)
    case = CASES[number % len(CASES)]
    with tempfile.TemporaryDirectory(prefix="power-loss-") as name:
        calls = 0
        for cut in (None, 1):  # the first time only counts the calls
            root = Path(name, "disk")
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
            work, check = case(root)
            at = cut and rng.randint(1, calls)
            calls = cut_power(root, Path(name, "trash"), work, at, number)
        assert calls == -1, "the power was not cut"
        return check()


def run(rounds: int) -> Row:
    return repeat("Power loss while stages are published and files written", rounds, one_round)


if __name__ == "__main__":
    sys.exit(main(run, 100))
