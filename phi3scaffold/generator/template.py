"""Where the template lies, and what its copier.yml asks.

In a wheel the template is package data; in a checkout it is the folder beside the package.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from phi3scaffold.project.algorithms import ALGORITHMS
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.near_names import did_you_mean

PACKAGE = Path(__file__).resolve().parent.parent
BUNDLE = Path(__file__).resolve().with_name("template.bundle")
# Independent of the machine; git is told where it really lies (see render.py).
SOURCE = "phi3scaffold://template.git"
ANSWERS = ".copier-answers.yml"
REFUSALS = {one.name: one.refusal for one in ALGORITHMS if one.refusal}
# Left by tools in a checkout; never in a bundle, a wheel or a project.
NOT_SHIPPED = ("__pycache__", "*.pyc", ".*_cache", ".DS_Store")


@dataclass(frozen=True)
class Question:
    """One question of copier.yml.

    Attributes:
        default: as written; None where it follows from other answers.
        choices: allowed values, empty where any text goes.
        refused: values that exist and cannot work here -> why; shown, and never accepted.
        depends: whether it is asked, or its default, follows from the answers before it.
        about_rows: whether it is about the user's rows, and no answer of the project.
    """

    name: str
    help: str
    default: Any
    choices: tuple[str, ...]
    refused: dict[str, str] = field(default_factory=dict)
    depends: bool = False
    about_rows: bool = False

    @property
    def flag(self) -> str:
        return f"--{self.name.replace('_', '-')}"


@cache
def folder() -> Path:
    """Return the template's folder: copier.yml, project/ and samples/."""
    for candidate in (PACKAGE / "template", PACKAGE.parent / "template"):
        if (candidate / "copier.yml").is_file():
            return candidate
    raise ScaffoldError(
        "The template is missing from this installation.",
        where=PACKAGE / "template",
        fix="install phi3scaffold again",
    )


@cache
def config() -> dict[str, Any]:
    """Return copier.yml as it is."""
    import yaml

    content = yaml.safe_load((folder() / "copier.yml").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def version() -> str:
    """Return the template's version, also the bundle's newest tag without its `v`."""
    return str(config()["template_version"]["default"])


def targets() -> dict[str, dict[str, Any]]:
    """Return name of a target -> what copier.yml says of it."""
    found: dict[str, dict[str, Any]] = config()["targets"]["default"]
    return found


def cloud_targets() -> list[str]:
    """Return the names of the targets whose pipeline is a job in the cloud."""
    return [name for name, details in targets().items() if "job" in details]


def questions() -> dict[str, Question]:
    """Return the questions that a person may be asked, in order, without derived answers."""
    known = {}
    for name, details in config().items():
        if name.startswith("_") or details.get("when") is False or details.get("ask") is False:
            continue
        default = details.get("default")
        follows = "{{" in str(default)
        choices = details.get("choices", {}).values()
        extended = [choice for choice in choices if isinstance(choice, dict)]
        known[name] = Question(
            name,
            re.sub(r"\{\{.*?\}\}", "", details["help"]),
            None if follows else default,
            tuple(str(choice) for choice in choices if choice not in extended),
            {choice["value"]: REFUSALS[choice["value"]] for choice in extended},
            depends=follows or "when" in details,
            about_rows=details.get("secret", False),
        )
    return known


def check_choices(answers: dict[str, Any]) -> None:
    """Refuse unknown keys and unknown values (copier ignores the first silently).

    Raises:
        ScaffoldError: names the flag and the values it takes, or why the value is refused.
    """
    known = questions()
    for name, value in answers.items():
        if name not in known:
            options = ", ".join(known)
            near = did_you_mean(name, known, f"the options are: {options}")
            raise ScaffoldError(f"Unknown option {name!r}.", fix=near)
        if value in known[name].refused:
            raise refusal(name, known[name].refused[value])
        choices = known[name].choices
        if choices and value not in choices:
            near = did_you_mean(str(value), choices)
            raise ScaffoldError(
                f"Unknown value {value!r}.",
                where=known[name].flag,
                fix=f"{near} One of: {', '.join(choices)}"
                if near
                else f"one of: {', '.join(choices)}",
            )


def refusal(name: str, reason: str) -> ScaffoldError:
    """Return a refusal of copier.yml, ``what; remedy``, as an error at the flag."""
    what, _, fix = reason.strip().partition("; ")
    flag = f"--{name.replace('_', '-')}"
    return ScaffoldError(what[:1].upper() + what[1:] + ".", where=flag, fix=fix or None)
