"""A search under limits: `phi3scaffold optimize`, and Olive's own engine asked for the same.

    python tests/benchmarks/search.py PROJECT FOLDER [--kl 0.001] [--size-mb 3.6] [--minutes 4]

PROJECT is trained (`phi3scaffold merge`) and has validation rows; it is only read. FOLDER takes a
copy for our search, Olive's output, and table.md. All want the smallest model within the limits:

- `optimize`: --goal smallest, both limits in project.yaml's gate.
- `Olive, thresholds`: its search strategy over Rtn and KQuant, their blocks, the bits of output
  layer and embeddings, and ModelBuilder's accuracy levels, in order (`sampler: sequential`,
  `execution_order: joint`); both limits as goals of the type `threshold`.
- `Olive, with a relative goal`: the same and a third goal, relative to the input model, without
  which the engine does not look at the thresholds. Any model reaches it.

Olive's evaluator is one of ours, registered under a name of its own: it measures each model as
`optimize` does on all its rows, and reports the divergence under the name of a built-in metric,
because metrics of the type `custom` end its run. So both see the same numbers.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from phi3scaffold.conversion.form_files import size_of
from phi3scaffold.evaluation.search_record import PointRecord, read_search
from phi3scaffold.pipeline.environment import prepare
from phi3scaffold.pipeline.events import ignore
from phi3scaffold.project.files import read_json
from phi3scaffold.project.olive_config import project_config
from phi3scaffold.project.settings import Project, load_project
from phi3scaffold.search.measuring import Ruler

KL, SIZE = "kl-perplexity", "size-bytes"  # as Olive joins the names of metric and sub-type
RELATIVE = "latency-avg"
HEADINGS = ("", "points measured", "failed", "s", "chosen", "KL, 10^-3 nats", "MB", "limits")


class Engine:
    """One run of Olive's search.

    Args:
        relative: whether there is a goal relative to the input model.
    """

    def __init__(self, project: Project, folder: Path, limits: dict[str, float], relative: bool):
        self._project, self._folder, self._limits = project, folder, limits
        self._relative = relative
        adapter = folder.with_name("adapter")
        adapter.mkdir(exist_ok=True)
        self._ruler = Ruler(project, adapter, "benchmark")
        self._ruler.measure_adapter(ignore)
        self.measured: dict[Path, PointRecord] = {}

    def run(self, seconds: float) -> tuple[str, ...]:
        """Search, and return a row of the table."""
        from olive.workflows import run

        failures = _Failures()
        logging.getLogger("olive").addHandler(failures)
        self._register()
        began = time.monotonic()
        output = run(self._config(seconds))
        spent = time.monotonic() - began
        best = output.get_best_candidate() if output is not None else None
        name = "Olive, with a relative goal" if self._relative else "Olive, thresholds"
        row = (name, str(len(self.measured)), str(failures.count), f"{spent:.0f}")
        if best is None:
            return (*row, "none", "", "", "")
        point = PointRecord("", _name(output.trace_back_run_history(best.model_id)), {})
        folder = Path(str(best.model_path))
        folder = folder if folder.is_dir() else folder.parent
        shutil.copyfile(self._project.merged / "prompt.json", folder / "prompt.json")
        self._ruler.measure(point, folder, self._ruler.rows, ignore)
        return (*row, *_cells(point, self._limits))

    def _register(self) -> None:
        from olive.evaluator.metric_result import MetricResult
        from olive.evaluator.olive_evaluator import OliveEvaluator
        from olive.evaluator.registry import Registry

        engine = self

        class Measured(OliveEvaluator):
            """Measures as `optimize` does."""

            def evaluate(self, model: Any, metrics: Any, *_: Any, **__: Any) -> Any:
                values = engine._values(Path(model.model_path))
                entries = {
                    f"{metric.name}-{sub.name}": {
                        "value": values[f"{metric.name}-{sub.name}"],
                        "priority": sub.priority,
                        "higher_is_better": False,
                    }
                    for metric in metrics
                    for sub in metric.sub_types
                }
                return MetricResult.model_validate(entries)

        Registry._REGISTRY["measured"] = Measured

    def _values(self, path: Path) -> dict[str, float]:
        if path == self._project.merged:
            return {KL: 0.0, SIZE: size_of(path), RELATIVE: 1000.0}
        folder = path if path.is_dir() else path.parent
        shutil.copyfile(self._project.merged / "prompt.json", folder / "prompt.json")
        point = PointRecord(str(path), str(path), {})
        self._ruler.measure(point, folder, self._ruler.rows, ignore)
        self.measured[path] = point
        print(f"  {len(self.measured)}: {point.bytes / 1e6:.2f} MB, {point.values['kl']:.5f}")
        values = {KL: point.values["kl"], SIZE: float(point.bytes)}
        return values | {RELATIVE: 1000 / point.values["tokens_per_second"]}

    def _config(self, seconds: float) -> dict[str, Any]:
        own = project_config(self._project).content
        kl, size = self._limits["kl"], 1e6 * self._limits["size_mb"]
        metrics = [_metric("size", "size_on_disk", "bytes", 1, size)]
        metrics += [_metric("kl", "accuracy", "perplexity", 2, kl)]
        if self._relative:
            metrics += [_metric("latency", "latency", "avg", 3, 0.0)]
            metrics[-1]["sub_types"][0]["goal"] = {"type": "max-degradation", "value": 1e6}
        return {
            "input_model": {
                "type": "HfModel",
                "model_path": str(self._project.merged),
                "task": "text-generation",
            },
            "systems": own["systems"],
            "evaluators": {"measured": {"type": "measured", "metrics": metrics}},
            "evaluator": "measured",
            "passes": _passes(own),
            "search_strategy": {
                "execution_order": "joint",
                "sampler": "sequential",
                "max_time": round(seconds),
            },
            "host": own["host"],
            "target": own["target"],
            "cache_dir": str(self._folder / "cache"),
            "output_dir": str(self._folder / "output"),
            "evaluate_input_model": False,
            "log_severity_level": 2,
        }


class _Failures(logging.Handler):
    """Counts the points that Olive says have failed."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += "FAILED" in record.getMessage()


def _metric(name: str, kind: str, sub: str, priority: int, most: float) -> dict[str, Any]:
    goal = {"type": "threshold", "value": most}
    entry = {"name": sub, "priority": priority, "higher_is_better": False, "goal": goal}
    return {"name": name, "type": kind, "sub_types": [entry]}


def _passes(own: dict[str, Any]) -> dict[str, Any]:
    """Return alternatives under one name, as Olive searches among quantizers."""
    quantizers = []
    for kind in ("Rtn", "KQuant"):
        for head in (8, 4):
            for embeddings in (8, 4):
                for block in (32, 64, 128, 16):
                    ends = {"lm_head": head, "model.embed_tokens": embeddings}
                    groups = {8: 64, 4: 32}
                    overrides = {
                        name: {"bits": bits, "group_size": groups[bits]}
                        for name, bits in ends.items()
                    }
                    settings: dict[str, Any] = {
                        "type": kind,
                        "bits": 4,
                        "group_size": block,
                        "sym": False,
                    }
                    settings |= {"lm_head": True, "embeds": True, "overrides": overrides}
                    quantizers.append(settings)
    builder = next(one for one in own["passes"].values() if one["type"] == "ModelBuilder")
    return {
        "quantize": quantizers,
        "build": [builder | {"int4_accuracy_level": level} for level in (4, 1)],
    }


def _name(history: dict[str, Any]) -> str:
    """Return the chosen settings in a few words."""
    for settings in history.values():
        if settings and "group_size" in settings:
            ends = [one["bits"] for one in (settings.get("overrides") or {}).values()]
            return f"block {settings['group_size']}, {'/'.join(map(str, ends))}"
    return "?"


def _cells(point: PointRecord, limits: dict[str, float]) -> tuple[str, ...]:
    """Return what a chosen model is like, and whether it keeps the limits."""
    missed = [name for name, most in limits.items() if point.values[name] > most]
    text = f"{' and '.join(missed)} missed" if missed else "kept"
    numbers = (f"{1000 * point.values['kl']:.2f}", f"{point.bytes / 1e6:.2f}")
    return (point.name, *numbers, text)


def ours(project: Path, folder: Path, limits: dict[str, float], minutes: float) -> tuple[str, ...]:
    """Run `optimize` on a copy of the project, and return a row of the table."""
    copy = folder / "ours"
    shutil.copytree(project, copy, symlinks=True)
    shutil.rmtree(copy / "gen-model" / "search", ignore_errors=True)
    path = copy / "project.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    settings["gate"] = settings.get("gate", {}) | limits
    path.write_text(yaml.safe_dump(settings | {"tracking": False}), encoding="utf-8")
    words = ["optimize", "--goal", "smallest", "--budget", str(minutes)]
    subprocess.run(
        [sys.executable, "-P", "-m", "phi3scaffold", *words], cwd=copy, check=False, timeout=3600
    )
    record = read_search(copy / "gen-model" / "search")
    assert record is not None
    failed = sum(bool(one.error) for one in record.points)
    row = ("`optimize`", str(len(record.points) - failed), str(failed), f"{record.seconds:.0f}")
    winner = record.point(record.winner)
    if winner is None:
        return (*row, "; ".join(record.missed), "", "", "cannot be kept")
    return (*row, *_cells(winner, limits))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kl", type=float, default=0.001)
    parser.add_argument("--size-mb", type=float, default=3.6)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--only", choices=("ours", "thresholds", "relative"))
    options = parser.parse_args()
    prepare()
    limits = {"kl": options.kl, "size_mb": options.size_mb}
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    saved = folder / "rows.json"
    rows: dict[str, list[str]] = read_json(saved) if saved.is_file() else {}
    for name in ("ours", "thresholds", "relative"):
        if name in rows or options.only not in (None, name):
            continue
        place = folder / name
        shutil.rmtree(place, ignore_errors=True)
        if name == "ours":
            row = ours(options.project.resolve(), folder, limits, options.minutes)
        else:
            place.mkdir()
            project = load_project(options.project.resolve())
            engine = Engine(project, place, limits, name == "relative")
            row = engine.run(60 * options.minutes)
        rows[name] = list(row)
        saved.write_text(json.dumps(rows), encoding="utf-8")
    lines = [" | ".join(("", *cells, "")).strip() for cells in (HEADINGS, *rows.values())]
    lines.insert(1, "|---" * len(HEADINGS) + "|")
    (folder / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
