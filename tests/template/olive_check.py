"""`python olive_check.py OUT PROJECT...`: write {project: [complaint, ...]} as JSON to OUT.

For each project: Olive's validation of the config, the generation of every pass's settings, and
the project's own tests, which must pass.
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

from phi3scaffold.runtime import environment

environment.prepare()

from olive.package_config import OlivePackageConfig  # noqa: E402
from olive.workflows.run.config import RunConfig  # noqa: E402

from phi3scaffold.runtime.olive.config import load_config  # noqa: E402
from phi3scaffold.runtime.olive.run import accelerator_of  # noqa: E402


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
    found = {}
    for word in sys.argv[2:]:
        root = Path(word)
        os.chdir(root)
        found[root.name] = olive_complaints(root) + failing_tests(root)
    Path(sys.argv[1]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
