"""Let Copier check answers and render, from the git bundle that travels with the package.

The answers file records a source that is the same on every machine; git is told, for the one
call, that it means the bundle. Nothing can reach the network. Where git is missing the plain
folder is copied: the template itself writes the source and the version into the answers file, so
such a project can be updated later all the same.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from phi3scaffold.generator import template
from phi3scaffold.models import catalogue
from phi3scaffold.models.families.family import Family
from phi3scaffold.project.algorithms import ALGORITHMS
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.quantizers import QUANTIZERS
from phi3scaffold.project.training_defaults import earlier_keys, training_defaults

# Set inside a git hook, say; they would point our git at another repository.
GIT_LOCATIONS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")


def have_git() -> bool:
    return shutil.which("git") is not None


def follow(answers: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """Return the value of every question with `answers` and defaults, and those that are not asked.

    Raises:
        ScaffoldError: an answer is refused.
    """
    with tempfile.TemporaryDirectory(prefix="phi3scaffold-") as scratch:
        out = Path(scratch) / "out"
        options: dict[str, Any] = {"pretend": True, "defaults": True, "exclude": ["*"]}
        worker = _copy(str(template.folder()), out, answers, **options)
    return worker.answers.combined, set(worker.answers.hidden)


def render(
    destination: Path,
    answers: dict[str, Any],
    tag: str | None = None,
    *,
    family: Family | None = None,
) -> None:
    """Render the template at `tag`, by default the newest, into an empty folder without asking.

    Args:
        family: of the model; None for what its id tells.

    Raises:
        ScaffoldError: an answer is refused, or git fails.
        OSError: the disk is full, say.
    """
    if not have_git():
        _copy(str(template.folder()), destination, answers, family, defaults=True)
        return
    if not template.BUNDLE.is_file():
        raise ScaffoldError(
            "The template's bundle is missing from this installation.",
            where=template.BUNDLE,
            fix="install it again; in a checkout: python -m phi3scaffold.generator.bundle",
        )
    with _git_reads_the_bundle(template.BUNDLE):
        ref = tag or f"v{template.version()}"
        _copy(template.SOURCE, destination, answers, family, defaults=True, vcs_ref=ref)


def _copy(
    source: str,
    destination: Path,
    answers: dict[str, Any],
    family: Family | None = None,
    **options: Any,
) -> Any:
    import copier
    from copier.errors import CopierError
    from plumbum import ProcessExecutionError

    # What the package declares elsewhere and the template only repeats.
    ref = answers.get("model") or catalogue.DEFAULT
    family, entry = family or catalogue.family_for(ref), catalogue.find(ref)
    parameters = (entry and entry.parameters) or answers.get("parameters", 0)
    training = training_defaults(
        answers.get("algo") or ALGORITHMS[0].name, parameters, answers.get("train_rows", 0)
    )
    declared = {
        "target_modules": list(family.target_modules),
        "algorithms": {one.name: asdict(one) | earlier_keys(one) for one in ALGORITHMS},
        "training": training.to_json(),
        "quantizers": {one.name: asdict(one) for one in QUANTIZERS},
    }
    try:
        return copier.run_copy(
            source,
            destination,
            data=answers | declared,
            # The user's own Copier settings have no say in this template.
            settings=copier.Settings(),
            quiet=True,
            overwrite=True,
            cleanup_on_error=False,
            **options,
        )
    except ProcessExecutionError as error:
        lines = error.stderr.strip().splitlines()
        raise ScaffoldError(
            f"git could not unpack the template: {lines[-1] if lines else 'no message'}",
            where=template.BUNDLE,
        ) from error
    except (CopierError, ValueError) as error:
        raise _refused(error) from error


def _refused(error: Exception) -> ScaffoldError:
    """Return the error of an answer: Copier raises a plain ValueError for each one."""
    text = str(error)
    match = re.match(
        r"(?:Validation error for question|Invalid choice for) '(\w+)': (.*)", text, re.DOTALL
    )
    if match is None:
        return ScaffoldError(f"The template cannot be rendered: {text}")
    return template.refusal(*match.groups())


@contextmanager
def _git_reads_the_bundle(bundle: Path) -> Iterator[None]:
    """While it lasts, git and Copier see the bundle, a cache of their own, and no network.

    plumbum snapshots the environment at import, so git's part is set through it. Copier's
    temporary clones go below one scratch folder, which is removed however this ends.
    """
    from plumbum import local

    count = int(local.env.get("GIT_CONFIG_COUNT", "0") or 0)
    settings = {
        f"url.{bundle.as_posix()}.insteadOf": template.SOURCE,
        "core.autocrlf": "false",
        "core.hooksPath": os.devnull,
    }
    git = {"GIT_CONFIG_COUNT": str(count + len(settings)), "GIT_ALLOW_PROTOCOL": "file"}
    for number, (key, value) in enumerate(settings.items(), count):
        git |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    cache_before = os.environ.get("COPIER_CACHE_DIR")
    temp_before = tempfile.tempdir
    # git keeps read-only files, which Windows does not remove by itself.
    with (
        tempfile.TemporaryDirectory(prefix="phi3scaffold-", ignore_cleanup_errors=True) as scratch,
        local.env(**git),
    ):
        for name in GIT_LOCATIONS:
            if name in local.env:
                del local.env[name]
        os.environ["COPIER_CACHE_DIR"] = str(Path(scratch) / "cache")
        tempfile.tempdir = scratch
        try:
            yield
        finally:
            tempfile.tempdir = temp_before
            if cache_before is None:
                del os.environ["COPIER_CACHE_DIR"]
            else:
                os.environ["COPIER_CACHE_DIR"] = cache_before
