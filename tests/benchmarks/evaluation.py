"""Measuring the forms of a project: this checkout beside an earlier one, form by form.

    python tests/benchmarks/evaluation.py PROJECT [--before CHECKOUT] [--rounds 3] [--rows 500]
    python tests/benchmarks/evaluation.py PROJECT --whole [--rounds 3] [--rows 500]

PROJECT has been through `phi3scaffold export`; tests/benchmarks/evaluation.md says how the one of
its table was made. Each form is measured in a process of its own, which imports one of the
checkouts; they take turns. Seconds are those of the whole process, with imports and loading. The
processor's say more where others use the machine, too.

With --whole it is the comparison as `phi3scaffold evaluate` makes it, baselines and intervals
included: the base and the merged model answer only as many rows as it takes.

At the end it says on how many rows both checkouts give the same answer and the same likeliest
label, and how far the log-likelihoods are apart.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
FORMS = ("adapter", "base", "merged", "onnx")


def measure_form(root: Path, form: str, rows: int, folder: Path) -> None:
    """Measure one form with the package that this process imports; write what came of it."""
    from phi3scaffold.pipeline.environment import prepare

    prepare()
    from phi3scaffold.datasets.spec import load_spec
    from phi3scaffold.evaluation.evaluation_set import sample_held_out
    from phi3scaffold.evaluation.measurement import Candidate, Measurement, measure
    from phi3scaffold.project.settings import load_project

    project = load_project(root)
    dataset = sample_held_out(project.rows, load_spec(project.dataset_yaml), rows)
    logits, reference = folder / "logits.npy", None
    if form != "adapter":
        first = Measurement(**json.loads((folder / "adapter.json").read_text()))
        reference = first.as_reference(logits, dataset.end)
    measurement = measure(
        Candidate(form, project),
        dataset,
        lambda event: None,
        reference=reference,
        save_logits=None if reference else logits,
    )
    (folder / f"{form}.json").write_text(json.dumps(vars(measurement)))
    times = os.times()
    print(json.dumps({"cpu": times.user + times.system}))


def run(checkout: Path, project: Path, form: str, rows: int, folder: Path) -> dict[str, float]:
    """Measure a form with a checkout; return its seconds and the processor's."""
    command = [sys.executable, "-P", str(HERE), str(project), "--rows", str(rows)]
    began = time.monotonic()
    done = subprocess.run(
        [*command, "--form", form, "--folder", str(folder)],
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{checkout}, {form}: {done.stderr[-2000:]}")
    return {"seconds": time.monotonic() - began, **json.loads(done.stdout.splitlines()[-1])}


def time_whole(root: Path, rows: int, folder: Path) -> str:
    """Compare all forms as the stage does; return the seconds, and each form's rows."""
    from phi3scaffold.datasets.spec import load_spec
    from phi3scaffold.evaluation.baselines import compute_baselines
    from phi3scaffold.evaluation.comparison import compare_forms
    from phi3scaffold.evaluation.evaluation_set import sample_held_out
    from phi3scaffold.evaluation.measurement import Candidate
    from phi3scaffold.project.settings import load_project

    project = load_project(root)
    began, marks = time.monotonic(), []
    dataset = sample_held_out(project.rows, load_spec(project.dataset_yaml), rows)
    found = compare_forms(
        [Candidate(form, project) for form in FORMS],
        dataset,
        lambda event: marks.append((getattr(event, "form", ""), time.monotonic() - began)),
        folder,
        folder / "log.txt",
    )
    ends = {form: f"{end:.1f} s" for form, end in marks if form}
    found.estimate(compute_baselines(project.rows, found.dataset))
    every = len(found.dataset.rows)
    rows_of = {form: one.alike_rows or one.rows or every for form, one in found.forms.items()}
    return f"{time.monotonic() - began:.1f} s; last row of each form: {ends}; rows {rows_of}"


def compare(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Return how far two measurements of a form are the same."""
    rows = len(after["answers"])
    parts = []
    for key in ("answers", "likeliest", "ended", "prompts"):
        same = sum(a == b for a, b in zip(before[key], after[key], strict=True))
        parts.append(f"{key} {same}/{len(after[key])}")
    pairs = zip(before["log_likelihood"], after["log_likelihood"], strict=True)
    apart = max((abs(a - b) for a, b in pairs), default=0.0)
    return f"{rows} rows: same {', '.join(parts)}; log-likelihood within {apart:.1e} nats"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--before", type=Path, help="another checkout, to take turns with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=500, help="held-out rows, at most")
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=FORMS)
    parser.add_argument("--whole", action="store_true", help="as the stage compares them")
    parser.add_argument("--form", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    project = options.project.resolve()
    if options.form:
        measure_form(project, options.form, options.rows, options.folder)
        return
    if options.whole:
        for number in range(options.rounds):
            with tempfile.TemporaryDirectory() as scratch:
                print(number + 1, time_whole(project, options.rows, Path(scratch)), flush=True)
        return
    checkouts = {"before": options.before.resolve()} if options.before else {}
    checkouts["after"] = HERE.parents[2]
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(options.rounds):
            for name, checkout in checkouts.items():
                folder = Path(scratch) / name
                folder.mkdir(exist_ok=True)
                for form in options.forms:
                    took = run(checkout, project, form, options.rows, folder)
                    found.setdefault((form, name), []).append(took)
                    print(f"| {number + 1} | {name} | {form} | {took['seconds']:.1f} | "
                          f"{took['cpu']:.1f} |", flush=True)  # fmt: skip
        for name in checkouts:
            rounds = zip(*(found[form, name] for form in options.forms), strict=True)
            totals = [tuple(sum(one[key] for one in each) for key in ("seconds", "cpu"))
                      for each in rounds]  # fmt: skip
            seconds, cpu = (statistics.median(values) for values in zip(*totals, strict=True))
            print(f"{name}: all forms, median of {len(totals)}: {seconds:.1f} s, {cpu:.1f} CPU s")
        for form in options.forms if options.before else ():
            read = (json.loads((Path(scratch) / name / f"{form}.json").read_text())
                    for name in checkouts)  # fmt: skip
            print(f"{form}: {compare(*read)}")


if __name__ == "__main__":
    main()
