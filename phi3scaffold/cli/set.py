"""`phi3scaffold set KEY=VALUE ...`: change settings of the project by name."""

from __future__ import annotations

import argparse
import json
import shutil
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from phi3scaffold.checks.setting_change import ProjectSettings, SettingChange, SettingPlace

EPILOG = """examples:
  phi3scaffold set epochs=5 rank=32 lr=1e-4
  phi3scaffold set gate.size_mb=120 max_tokens=256
  phi3scaffold set --help lr
  phi3scaffold set

KEY is a short name (epochs, rank, lr ...), a key of project.yaml, datasets/dataset.yaml or
fine-tuning/olive-config.json, or the end of its path, such as quantize.bits. VALUE is
written as in the file: 5, 0.1, true, null, a text, [a, b]. The rest of the files stays as
it is. All settings are changed, or none.
"""
WIDTH = 100  # columns at most


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    parser.add_argument(
        "-h", "--help",
        nargs="*", action=_Help, metavar="KEY",
        help="show this help, or the documentation of settings",
    )  # fmt: skip
    parser.add_argument(
        "settings", nargs="*", metavar="KEY=VALUE", help="what to set; without any, list them"
    )


class _Help(argparse.Action):
    """`--help` alone prints the help of the verb."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: Any = None
    ) -> None:
        if not values:
            parser.print_help()
            parser.exit()
        setattr(namespace, self.dest, values)


def run(args: argparse.Namespace) -> int:
    from phi3scaffold.checks.setting_change import ProjectSettings
    from phi3scaffold.project.settings import find_root

    settings = ProjectSettings(find_root(args.project))
    if args.help:
        print("\n\n".join(_described(settings, settings.find(word)) for word in args.help))
        return 0
    if not args.settings:
        print("\n".join(_listed(settings)))
        return 0
    changes = settings.change(args.settings)
    for change in changes:
        place, values = change.place, (_value(change.before), _value(change.after))
        print(f"{place.file}:{change.line}: {place.path[-1]} {values[0]} -> {values[1]}")
    if note := _alpha_note(settings.root, changes):
        print(note)
    print("next: phi3scaffold run" if changes else "nothing to change: these are their values")
    return 0


def _alpha_note(root: Path, changes: Sequence[SettingChange]) -> str:
    """Return what a new rank left as it was: alpha, which scales the adapter; or ""."""
    from phi3scaffold.project.algorithms import algorithm_of
    from phi3scaffold.project.layout import Layout
    from phi3scaffold.project.olive_config import load_config

    changed = {change.place.path[-1] for change in changes}
    if "r" not in changed or "alpha" in changed:
        return ""
    config = load_config(Layout(root).olive_config)
    algorithm, values = algorithm_of(config.algo), config.training_pass
    rank, alpha = values.get("r"), values.get("alpha")
    if algorithm is None or not isinstance(rank, int) or alpha in (None, algorithm.alpha_for(rank)):
        return ""
    usual = algorithm.alpha_for(rank)
    command = f"phi3scaffold set alpha={usual}"
    return f"note: alpha is still {alpha}; a new project has {usual}: {command}"


def _value(value: Any) -> str:
    return "(not set)" if value is None else json.dumps(value, ensure_ascii=False)


def _described(settings: ProjectSettings, place: SettingPlace) -> str:
    """Return the documentation of one setting."""
    from phi3scaffold.project.setting_names import short_name

    short, doc = short_name(place.name) or short_name(place.path[-1]), settings.doc(place)
    rows = [
        ("where", f"{place.file}:{settings.line(place)}: {place.name}"),
        ("now", _value(settings.value(place))),
        ("meaning", doc.text if doc else "not documented here: see that file"),
        *(doc.effects if doc else ()),
    ]
    width = min(WIDTH, shutil.get_terminal_size().columns)
    lines = [f"{place.path[-1]}{f' ({short})' if short else ''}"]
    for name, text in rows:
        label = f"  {name}:"
        label += " " * max(1, 12 - len(label))
        lines += textwrap.wrap(
            text, width, initial_indent=label, subsequent_indent=" " * 12,
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
    return "\n".join(lines)


def _listed(settings: ProjectSettings) -> list[str]:
    """Return a line for each setting that has a value, under its file."""
    from phi3scaffold.checks.setting_change import FILES
    from phi3scaffold.project.formatting import cut
    from phi3scaffold.project.setting_names import short_name

    width = min(WIDTH, shutil.get_terminal_size().columns)
    lines: list[str] = []
    for file in FILES:
        lines += ["", file] if lines else [file]
        for place in settings.places:
            value = settings.value(place)
            is_group = isinstance(value, dict) and value
            if place.file != file or value is None or is_group:
                continue
            short = short_name(place.name) or short_name(place.path[-1])
            name = place.name.removeprefix("passes.").replace(".training_args.", ".")
            lines.append(cut(f"  {name}{f' ({short})' if short else ''}: {_value(value)}", width))
    return lines
