"""`python olive_check.py WANTED FOUND`: look at projects, in one process; both files are JSON.

WANTED: {"validate": [project, ...], "test": [project, ...]}. FOUND: {"validate": {project's name:
[complaint, ...]}, "test": the same, "package": {"phi3scaffold": [the file that was imported]}}.
Validating is Olive's own, of the config and of every pass's settings; testing runs the project's
own tests.
"""

from __future__ import annotations

import importlib.util
import io
import json
import logging
import os
import sys
import unittest
from pathlib import Path

import phi3scaffold
from phi3scaffold.pipeline import environment

environment.prepare()

from olive.package_config import OlivePackageConfig  # noqa: E402
from olive.workflows.run.config import RunConfig  # noqa: E402

from phi3scaffold.project.olive_config import load_config  # noqa: E402
from phi3scaffold.training.olive_runner import accelerator_of  # noqa: E402


class Collector(logging.Handler):
    """Keeps what Olive warns about."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def olive_complaints(root: Path) -> list[str]:
    collector = Collector()
    logger = logging.getLogger("olive")
    logger.addHandler(collector)
    try:
        path = Path("fine-tuning") / "olive-config.json"
        spec = accelerator_of(load_config(path))
        package = OlivePackageConfig.load_default_config()
        config = RunConfig.parse_file_or_obj(path)
        for name, group in config.passes.items():
            for settings in group:
                kind = package.import_pass_module(settings.type)
                made = kind.generate_config(spec, settings.config, {}, True)
                if not kind.validate_config(made, spec):
                    collector.lines.append(f"{name}: not for {spec}")
    finally:
        logger.removeHandler(collector)
    return collector.lines


def failing_tests(root: Path) -> list[str]:
    path = root / "tests" / "test_project.py"
    spec = importlib.util.spec_from_file_location(f"of_{root.name.replace('-', '_')}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    result = unittest.TextTestRunner(stream=io.StringIO()).run(suite)
    if not result.testsRun:
        return ["no tests"]
    return [f"{test}: {text}" for test, text in [*result.failures, *result.errors]]


def main() -> None:
    wanted = json.loads(Path(sys.argv[1]).read_text())
    out = Path(sys.argv[2]).resolve()
    found: dict[str, dict[str, list[str]]] = {"package": {"phi3scaffold": [phi3scaffold.__file__]}}
    for what, look in (("validate", olive_complaints), ("test", failing_tests)):
        found[what] = {}
        for word in wanted[what]:
            root = Path(word)
            os.chdir(root)
            found[what][root.name] = look(root)
    out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
