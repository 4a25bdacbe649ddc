"""`phi3scaffold info`: versions and the state of the project, for people, scripts, bug reports."""

from __future__ import annotations

import argparse
import json
import platform
from typing import Any

FORMAT = 1  # of the JSON; a key that goes or changes its meaning makes it 2
EPILOG = """examples:
  phi3scaffold info
  phi3scaffold info --json --project ../my-proj

The JSON has these keys: format (1), version, template, python, platform;
  packages: name -> {expected, installed};
  project, null outside of one: name, root, settings, stages (up to date, stale
  or missing), forms (bytes, files, sha256), evaluation, released
"""
RELEASED = {True: "yes", False: "no", None: "not evaluated yet"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    from phi3scaffold import __version__
    from phi3scaffold.checks.doctor.packages import package_versions
    from phi3scaffold.generator import template
    from phi3scaffold.project.settings import find_project, root_above
    from phi3scaffold.stages.project_status import project_status

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
        for key, label in (("accuracy", "accuracy"), ("rouge_l", "ROUGE-L")):
            if key in metrics:
                text += f", {label} {metrics[key]:.1%}"
        lines.append((name, text))
    return [*lines, ("released", RELEASED[project["released"]])]
