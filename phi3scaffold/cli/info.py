"""`phi3scaffold info`: what there is, for people and, with --json, for scripts and bug reports."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "examples:\n"
        "  phi3scaffold info\n"
        "  phi3scaffold info --json --project ../my-proj\n"
        "\nthe JSON has: format (1), version, template, python, platform;\n"
        "  packages: name -> {expected, installed};\n"
        "  project, null outside of one: name, root, settings, stages (up to date, stale or\n"
        "  missing), forms (bytes, files, sha256), evaluation, released"
    )


def run(args: argparse.Namespace) -> int:
    from phi3scaffold.cli import project_info
    from phi3scaffold.project.settings import find_project

    start = Path(args.project or ".").resolve()
    there = args.project or project_info.project_here(start)
    found = project_info.info(find_project(start) if there else None)
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    for name, text in _lines(found):
        print(f"{name:<14}{text}".rstrip())
    return 0


def _lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    from phi3scaffold.project.formatting import decimal_size

    packages = found["packages"]
    missing = [name for name, one in packages.items() if one["installed"] is None]
    other = [
        f"{name} {one['installed']} (pinned {one['expected']})"
        for name, one in packages.items()
        # 2.13.0+cpu is the pinned 2.13.0
        if one["installed"]
        and one["expected"]
        not in (
            one["installed"],
            one["installed"].partition("+")[0],
        )
    ]
    told = f"{len(packages) - len(missing) - len(other)} of {len(packages)} as pinned"
    lines = [
        ("phi3scaffold", f"{found['version']}, template {found['template']}"),
        ("Python", f"{found['python']}, {found['platform']}"),
        ("packages", told),
    ]
    lines += [("", f"not installed: {', '.join(missing)}")] if missing else []
    lines += [("", ", ".join(other))] if other else []
    project = found["project"]
    if project is None:
        return [*lines, ("project", "none here")]
    settings = project["settings"]
    model = settings["model"] + (" (a demonstration model)" if settings["demonstration"] else "")
    lines += [
        ("project", project["root"]),
        ("", f"{settings['algo'] or 'no training pass'} of {model} for {settings['target']}"),
    ]
    for state in dict.fromkeys(project["stages"].values()):
        names = [name for name, one in project["stages"].items() if one == state]
        lines.append((state, ", ".join(names)))
    for name, form in project["forms"].items():
        numbers = (project["evaluation"] or {}).get(name, {})
        right = numbers.get("accuracy", numbers.get("rouge_l"))
        said = f", right {100 * right:.1f} %" if right is not None else ""
        lines.append((name, f"{decimal_size(form['bytes'])}, {form['sha256'][:12]}{said}"))
    verdict = {True: "yes", False: "no", None: "nothing was measured yet"}[project["released"]]
    return [*lines, ("released", verdict)]
