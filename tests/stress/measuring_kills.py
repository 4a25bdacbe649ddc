"""Kill `evaluate` at a random moment: what was measured before is not measured again."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.conftest import command, trained
from tests.stress.rounds import Row, main, repeat

EVALUATE = [sys.executable, "-P", "-m", "phi3scaffold", "evaluate"]
NUMBERS = ("accuracy", "likelihood_accuracy", "same_answer", "compared")
FORMS = 4  # of the demonstration: adapter, base, merged, onnx
LONGEST = 2.0  # seconds
ENDED = 20.0  # seconds until the children have to be gone; two, where the machine has nothing else


def one_round(number: int, project: Path) -> str:
    """Kill one evaluation of a copy; return how many forms it had measured."""
    with tempfile.TemporaryDirectory(prefix="measuring-kills-") as name:
        root = Path(shutil.copytree(project, Path(name, "proj"), symlinks=True))
        shutil.rmtree(root / "gen-model" / "evaluation")
        partial = root / "gen-model" / ".evaluation-partial"
        rng = random.Random(number)
        if not killed(root, partial, rng.randrange(FORMS), rng.uniform(0, LONGEST)):
            return "ended before"
        done = sorted(path.stem.partition("-")[0] for path in partial.glob("*/*.json"))
        again = command("evaluate", cwd=root, check=False)
        told = again.stdout + again.stderr
        assert again.returncode == 0, told[-1000:]
        for form in done:
            assert f"{form} was measured by an earlier run" in told, f"{form} is measured again"
        assert forms_of(root) == forms_of(project), f"other numbers after {done}"
        assert not list(partial.glob("*")), "what was kept is left there"
        return f"with {len(done)} forms measured"


def killed(root: Path, partial: Path, forms: int, moment: float) -> bool:
    """Kill an evaluation, but not its children, a moment after so many forms were measured.

    Returns:
        False where it has ended before.

    Raises:
        AssertionError: a child lives on.
    """
    quiet = subprocess.DEVNULL
    with subprocess.Popen(EVALUATE, cwd=root, stdout=quiet, stderr=quiet) as run:
        while run.poll() is None and len(list(partial.glob("*/*.json"))) < forms:
            time.sleep(0.02)
        try:
            run.wait(moment)
            return False
        except subprocess.TimeoutExpired:
            children = psutil.Process(run.pid).children(recursive=True)
            run.kill()
    _, alive = psutil.wait_procs(children, timeout=ENDED)
    assert not alive, f"{len(alive)} children are alive {ENDED:g} s later"
    return True


def forms_of(root: Path) -> dict[str, list[object]]:
    text = (root / "gen-model" / "evaluation" / "metrics.json").read_text(encoding="utf-8")
    forms = json.loads(text)["forms"]
    return {name: [form.get(number) for number in NUMBERS] for name, form in forms.items()}


def run_on(project: Path, rounds: int) -> Row:
    """Do the rounds on copies of a trained project."""
    return repeat(
        "Kill of an evaluation at a random moment",
        rounds,
        lambda number: one_round(number, project),
    )


def run(rounds: int) -> Row:
    with tempfile.TemporaryDirectory(prefix="measuring-kills-") as name:
        return run_on(trained(Path(name), "lora"), rounds)


if __name__ == "__main__":
    sys.exit(main(run, 15))
