"""index.html: what a run made and how good it is, on one page that a person can pass on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from phi3scaffold import __version__
from phi3scaffold.datasets.findings import findings, not_found
from phi3scaffold.evaluation import gate
from phi3scaffold.project.formatting import (
    binary_size,
    count,
    decimal_size,
    duration,
    perplexity,
    rate,
)
from phi3scaffold.project.limits import show
from phi3scaffold.project.settings import DEMONSTRATION
from phi3scaffold.reporting import data_page, row_comparison
from phi3scaffold.reporting.page_parts import render
from phi3scaffold.reporting.page_parts.figures import curves, matrix, scores
from phi3scaffold.reporting.run_record import Made
from phi3scaffold.reporting.training_settings import training_settings

if TYPE_CHECKING:
    from markupsafe import Markup

PAGE = "index.html"
TASKS = {
    "classify": "gives a text one of {labels} labels",
    "qa": "answers questions",
    "chat": "holds conversations",
}
MOST_POINTS = 300  # of a loss curve; more than its picture has
MOST_MISTAKES = 10
LIKENESS = ("same answers", "same tokens")  # as the adapter
FEW = 30  # rows; below that nothing is certain
HELD_OUT = "held out"
ADAPTERS = "adapters"  # the stage


def write(made: Made, path: Path) -> None:
    """Write the page to `path`; the same `made` gives the same bytes."""
    checks = [gate.Check(**found) for found in made.release["checks"]]
    page = render(
        "report.html.j2",
        title=made.name,
        version=__version__,
        made=made,
        task=TASKS[made.metrics["task"]].format(labels=len(made.metrics["labels"])),
        note=DEMONSTRATION if made.demonstration else "",
        facts=_facts(made),
        error=gate.verdict(checks),
        unknown=[found.key for found in checks if found.verdict == gate.UNKNOWN],
        warnings=warnings(checks),
        ladder=_ladder(made),
        few=made.metrics["rows"] < FEW,
        checks=[_check(found) for found in checks],
        loss=_loss(made),
        training=_training(made),
        confusion=_confusion(made),
        compared=row_comparison.compare(made),
        data_facts=data_page.facts(made.data),
        labels=data_page.labels(made.data["labels"]),
        lengths=data_page.lengths(made.data["tokens"]),
        findings=findings(dict(made.data)),
        not_found=not_found(dict(made.data)),
        stages=_stages(made),
        settings=training_settings(made.config),
        versions=_versions(made),
        hashes=hashes(made),
    )
    path.write_text(page, encoding="utf-8", newline="\n")


def score(rung: Mapping[str, Any]) -> tuple[float, tuple[float, float], float | None]:
    """(right, its interval, the second score: of the likeliest label, else ROUGE-L)."""
    name = "accuracy" if "accuracy" in rung else "exact_match"
    low, high = rung[f"{name}_interval"]
    return rung[name], (low, high), rung.get("likelihood_accuracy", rung.get("rouge_l"))


def percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def warnings(checks: Sequence[gate.Check]) -> list[str]:
    """What does not keep a model back and should be known all the same."""
    told = []
    for found in checks:
        if found.verdict == gate.WARNING:
            told.append(
                f"{found.rung} is {show(-(found.value or 0.0), found.unit)} below TF-IDF with "
                "logistic regression, which needs no language model."
                if found.key == "over_tfidf"
                else f"{gate.describe(found)}."
            )
    return told


def _facts(made: Made) -> list[tuple[str, str]]:
    best, rung = made.best, made.rung(made.best)
    right, _, other = score(rung)
    free = [(f"ROUGE-L ({best})", percent(other))] if "rouge_l" in rung else []
    return [
        *free,
        (f"{'exact' if free else 'right'} ({best})", percent(right)),
        ("held-out rows asked", count(made.metrics["rows"])),
        (f"tokens a second ({best})", rate(rung["tokens_per_second"])),
        (f"on disk ({best})", decimal_size(rung["disk_bytes"])),
    ]


def second(made: Made) -> str:
    """What the second score is called."""
    return "scored" if made.metrics["labels"] else "ROUGE-L"


def _ladder(made: Made) -> dict[str, Any]:
    """The picture and the tables: how good each form is, how like the adapter, what it costs."""
    classes = bool(made.metrics["labels"])
    right = "right" if classes else "exact"
    drawn, quality, likeness, cost = [], [], [], []
    read = any(made.rung(name).get("other_prompt") for name in made.forms)  # otherwise, somewhere
    for name in made.forms:
        rung = made.rung(name)
        share, (low, high), other = score(rung)
        drawn.append((name, share, low, high, other))
        row = [name, percent(share), f"{100 * low:.1f} to {100 * high:.1f}", percent(other)]
        if classes:
            row.append(f"{rung['macro_f1']:.3f}")
        quality.append([*row, percent(rung["unfinished"])])
        like = ["", ""] if name == "adapter" else [*alike(rung)]
        if read:
            like.append(percent(rung.get("other_prompt")))
        likeness.append([name, perplexity(rung["perplexity"]), *like])
        held = (binary_size(rung["peak_bytes"]), decimal_size(rung["disk_bytes"]))
        first = f"{1000 * rung['first_token_seconds']:,.0f} ms"
        cost.append((name, rate(rung["tokens_per_second"]), first, *held))
    scored = second(made)
    columns = ["form", right, "95 %", scored, *(["macro F1"] if classes else [])]
    told = "; ".join(f"{name} {percent(share)}" for name, share, *_ in drawn)
    return {
        "picture": scores(drawn, baselines(made), "How many answers are right", told),
        "keys": [f"{right}, with the 95 % interval", scored],
        "columns": [*columns, "unfin\u00adished"],  # where a phone may break it
        "quality": quality,
        "likes": ["form", "perplexity", *LIKENESS, *(["other prompts"] if read else [])],
        "likeness": likeness,
        "costs": ["form", "tokens/s", "first token", "memory", "disk"],
        "cost": cost,
        "not_measured": made.metrics["not_measured"],
    }


def alike(rung: Mapping[str, Any]) -> tuple[str, str]:
    """The shares of the adapter's answers, and of the tokens in them, that a form has, too."""
    return percent(rung.get("same_answer")), percent(rung.get("agreement"))


def baselines(made: Made) -> dict[str, float]:
    """What is right without a model: a name with its share -> the share."""
    found = made.metrics["baselines"]
    named = {"tfidf": "TF-IDF, logistic regression"}
    if "majority" in found:
        named["majority"] = f"always {found['majority']['label']}"
    return {
        f"{percent(one['accuracy'])} {named[name]}": one["accuracy"] for name, one in found.items()
    }


def _check(found: gate.Check) -> list[str | Markup]:
    from markupsafe import Markup

    bound = f"{'at most' if found.most else 'at least'} {show(found.limit, found.unit)}"
    value = "" if found.value is None else show(found.value, found.unit)
    at = f" at {found.rung}" if found.rung and value else ""
    why = f"{': ' if value else ''}{found.why}" if found.why else ""
    named = Markup('<strong class="{}">{}</strong> <code>{}</code> {}').format(
        found.verdict, found.verdict, found.key, found.what
    )
    return [named, f"{value}{at}{why}", bound]


def losses(history: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """``train`` and ``held out`` -> (step, loss), what is not there left out; numbers only."""
    series = {}
    for name, key in (("train", "loss"), (HELD_OUT, "eval_loss")):
        points = [
            (float(entry["step"]), float(entry[key]))
            for entry in history
            if isinstance(entry.get(key), int | float)
            and math.isfinite(entry[key])
            and "step" in entry
        ]
        if points:
            series[name] = points
    return series


def _loss(made: Made) -> dict[str, Any] | None:
    """The picture; where training looked at no held-out rows, the ladder did before and after."""
    series = losses(made.history)
    if not series:
        return None
    watched = HELD_OUT in series
    last = max(step for points in series.values() for step, _ in points)
    ends = [
        (step, made.metrics["forms"].get(name)) for name, step in (("base", 0.0), ("adapter", last))
    ]
    if not watched and all(rung for _, rung in ends):
        series[HELD_OUT] = [(step, math.log(rung["perplexity"])) for step, rung in ends]
    told = "; ".join(
        f"{name}: {points[0][1]:.3g} at step {points[0][0]:.0f}, "
        f"{points[-1][1]:.3g} at step {points[-1][0]:.0f}"
        for name, points in series.items()
    )
    thinned = {name: _thinned(points) for name, points in series.items()}
    return {
        "picture": curves(thinned, "step", "Loss while training", told, joined=watched),
        "keys": list(series),
        "told": told,
        "watched": watched,
        "ends": HELD_OUT in series,
    }


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most `MOST_POINTS`, each the mean of as many neighbours."""
    size_of = -(-len(points) // MOST_POINTS)
    groups = [points[start : start + size_of] for start in range(0, len(points), size_of)]
    return [
        (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group))
        for group in groups
    ]


def _training(made: Made) -> list[tuple[str, str]]:
    stage = made.stages.get("finetune")
    facts = stage.facts if stage else {}
    told = [("algorithm", made.config.algo), ("steps", count(facts.get("steps") or 0))]
    seconds = facts.get("train_seconds")
    if seconds:
        told.append(("time", duration(seconds)))
        told.append(("tokens a second", rate((facts.get("tokens") or 0) / seconds)))
    return told


def _confusion(made: Made) -> dict[str, Any] | None:
    """Of the form that ships, by its free answers."""
    if not made.metrics["labels"]:
        return None
    table, rows, columns = row_comparison.confusion(made)
    mixed = row_comparison.mistakes(table, rows, columns)
    told = "; ".join(f"{one.expected} taken for {one.answered}: {one.rows}" for one in mixed[:5])
    by_label = []
    for number, (label, line) in enumerate(zip(rows, table, strict=True)):
        share = percent(line[number] / sum(line)) if sum(line) else ""
        by_label.append((label, count(sum(line)), count(line[number]), share))
    most = row_comparison.MOST_LABELS
    if len(rows) > most:
        worst = [(table[n][n] / max(1, sum(table[n])), n) for n in range(len(rows))]
        by_label = [by_label[number] for _, number in sorted(worst)[:most]]
    drawn = row_comparison.fewer(table, rows, columns)
    return {
        "picture": matrix(*drawn, "Expected and given labels", told or "no mistakes"),
        "left_out": len(rows) - len(drawn[1]),
        "mistakes": [(one.expected, one.answered, count(one.rows)) for one in mixed],
        "most": MOST_MISTAKES,
        "by_label": by_label,
    }


def _stages(made: Made) -> list[tuple[str, str, str]]:
    return [
        (name, duration(found.seconds), binary_size(found.peak_bytes) if found.peak_bytes else "")
        for name, found in made.stages.items()
    ]


def _versions(made: Made) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for stage in made.stages.values():
        found |= {name: version for name, version in stage.versions.items() if version}
    return sorted(found.items())


def hashes(made: Made) -> list[tuple[str, str]]:
    """sha256 of the files that it was made from, and over each folder that was made."""
    found: dict[str, str] = {}
    for stage in made.stages.values():
        elsewhere: list[PurePath] = []
        for name, sha in stage.inputs.items():
            if name == "settings" or name.startswith("stage:"):
                continue
            file = PurePath(name)
            if file.is_absolute():  # by its name: where it lies is nobody's business
                if file.parent not in elsewhere:
                    elsewhere.append(file.parent)
                number = elsewhere.index(file.parent) + 1
                whose = (
                    f"adapter {number} from elsewhere" if stage.stage == ADAPTERS else "base model"
                )
                name = f"{whose}: {file.name}"
            found[name] = sha
    for name, stage in made.stages.items():
        timed = " (with times)" if name in made.timed else ""
        found[f"what {name} made{timed}"] = stage.content
    return list(found.items())
