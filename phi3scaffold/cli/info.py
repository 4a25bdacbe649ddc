"""`phi3scaffold info`: versions and the state of the project, for people, scripts, bug reports."""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from typing import Any

FORMAT = 1  # of the JSON; a key that goes or changes its meaning makes it 2
EPILOG = """examples:
  phi3scaffold info
  phi3scaffold info --json --project ../my-proj
  phi3scaffold info --all ..

The JSON has these keys: format (1), version, template, python, platform;
  packages: name -> {expected, installed};
  project, null outside of one: name, root, settings, stages (up to date, stale
  or missing), forms (bytes, files, sha256), evaluation, released,
  disk (folder -> bytes), removable (by clean, by clean_all: bytes)
With --all FOLDER they are format and projects: name, root, error or settings,
released, disk_bytes, removable.
"""
LARGEST = 8  # folders that are named
VERDICT = {True: "yes", False: "no", None: "-"}
OLD = "not known: the verdict is out of date"
RELEASED = {True: "yes", False: "no", None: "not evaluated yet"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    parser.add_argument(
        "--all", type=Path, metavar="FOLDER", help="a line for each project in this folder"
    )


def run(args: argparse.Namespace) -> int:
    from phi3scaffold import __version__
    from phi3scaffold.checks.doctor.packages import package_versions
    from phi3scaffold.generator import template
    from phi3scaffold.project.settings import find_project, root_above
    from phi3scaffold.stages.project_status import project_status

    if args.all:
        return _all_projects(args.all, as_json=args.json)
    project = None
    if args.project or root_above():
        project = find_project(args.project)
    facts: dict[str, Any] = {
        "format": FORMAT,
        "version": __version__,
        "template": template.version(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": package_versions(project),
        "project": project_status(project) if project else None,
    }
    if args.json:
        print(json.dumps(facts, indent=2))
        return 0
    lines = [
        ("phi3scaffold", f"{facts['version']}, template {facts['template']}"),
        ("Python", f"{facts['python']}, {facts['platform']}"),
        *_package_lines(facts["packages"]),
        *(_project_lines(facts["project"]) if project else [("project", "none here")]),
    ]
    for name, text in lines:
        print(f"{name:<14}{text}".rstrip())
    return 0


def _package_lines(packages: dict[str, Any]) -> list[tuple[str, str]]:
    from phi3scaffold.pipeline.installed_packages import same

    missing = [name for name, one in packages.items() if one["installed"] is None]
    other = [
        f"{name} {one['installed']} (pinned {one['expected']})"
        for name, one in packages.items()
        if one["installed"] and not same(one["installed"], one["expected"])
    ]
    pinned = len(packages) - len(missing) - len(other)
    lines = [("packages", f"{pinned} of {len(packages)} as pinned")]
    lines += [("", f"not installed: {', '.join(missing)}")] if missing else []
    lines += [("", ", ".join(other))] if other else []
    return lines


def _project_lines(project: dict[str, Any]) -> list[tuple[str, str]]:
    from phi3scaffold.evaluation.comparison_table import COLUMNS
    from phi3scaffold.project.formatting import decimal_size

    settings = project["settings"]
    model = settings["model"] + (" (a demonstration model)" if settings["demonstration"] else "")
    lines = [
        ("project", project["root"]),
        ("", f"{settings['algo'] or 'no training pass'} of {model} for {settings['target']}"),
    ]
    for state in dict.fromkeys(project["stages"].values()):
        names = [name for name, one in project["stages"].items() if one == state]
        lines.append((state, ", ".join(names)))
    for name, form in project["forms"].items():
        metrics = (project["evaluation"] or {}).get(name, {})
        text = f"{decimal_size(form['bytes'])}, {form['sha256'][:12]}"
        for key in ("accuracy", "exact_match", "rouge_l", "agreement"):
            if key in metrics:
                text += f", {COLUMNS[key].heading} {COLUMNS[key].show(metrics[key])}"
        lines.append((name, text))
    is_old = project["stages"].get("gate") == "stale"
    lines.append(("released", OLD if is_old else RELEASED[project["released"]]))
    return [*lines, *_disk_lines(project["disk"], project["removable"])]


def _disk_lines(disk: dict[str, int], freed: dict[str, int]) -> list[tuple[str, str]]:
    from phi3scaffold.project.formatting import decimal_size

    sizes = sorted(disk.items(), key=lambda one: -one[1])
    lines = [("disk", decimal_size(sum(disk.values())))]
    lines += [("", f"{decimal_size(size):>8}  {name}") for name, size in sizes[:LARGEST]]
    if len(sizes) > LARGEST:
        rest = sum(size for _, size in sizes[LARGEST:])
        lines.append(("", f"{decimal_size(rest):>8}  {len(sizes) - LARGEST} others"))
    text = f"{decimal_size(freed['clean'])} by `phi3scaffold clean`"
    if freed["clean_all"] > freed["clean"]:
        text += f", {decimal_size(freed['clean_all'])} with --all"
    return [*lines, ("can be freed", text)]


def _all_projects(folder: Path, *, as_json: bool) -> int:
    """Print a line for each project in a folder."""
    from phi3scaffold.cli.ui.terminal import columns
    from phi3scaffold.project.errors import ScaffoldError
    from phi3scaffold.project.formatting import cut, decimal_size
    from phi3scaffold.project.settings import load_project
    from phi3scaffold.stages.disk_use import projects_below
    from phi3scaffold.stages.project_status import project_status

    if not folder.is_dir():
        raise ScaffoldError("There is no such folder.", where=folder)
    found: list[dict[str, Any]] = []
    for root in projects_below(folder.resolve()):
        try:
            status = project_status(load_project(root))
        except ScaffoldError as error:
            found.append({"name": root.name, "root": str(root), "error": error.what})
            continue
        kept = {key: status[key] for key in ("name", "root", "settings", "released", "removable")}
        found.append(kept | {"disk_bytes": sum(status["disk"].values())})
    if as_json:
        print(json.dumps({"format": FORMAT, "projects": found}, indent=2))
        return 0
    if not found:
        print(f"no project in {folder}")
        return 0
    rows: list[tuple[str, ...]] = [("project", "model", "released", "disk", "clean frees")]
    for one in found:
        name = cut(str(Path(one["root"]).relative_to(folder.resolve())), 24)
        if "error" in one:
            rows.append((name, cut(one["error"], 24), "", "", ""))
            continue
        sizes = (one["disk_bytes"], one["removable"]["clean"])
        model = cut(one["settings"]["model"].rpartition("/")[2], 24)
        rows.append((name, model, VERDICT[one["released"]], *map(decimal_size, sizes)))
    print("\n".join(columns(rows)))
    return 0
