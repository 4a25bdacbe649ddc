"""Build points as the stage export builds its model, in a child process for torch and Olive.

A child that has imported these builds small models one after the other; with a large one it ends,
so that its memory comes back before the model is measured.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from phi3scaffold.pipeline import protocol
from phi3scaffold.pipeline.events import Failure, from_json
from phi3scaffold.pipeline.logs import log_file
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.olive_config import OliveConfig
from phi3scaffold.project.settings import Project

MODULE = "phi3scaffold.search.builder_process"
LARGE = 1e9  # bytes of weights


class Builder:
    """Builds points of one project.

    Args:
        scratch: a folder on the project's disk; it goes when a point is built.
    """

    def __init__(self, project: Project, scratch: Path) -> None:
        self._project, self._scratch = project, scratch
        self._log = log_file(project)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Builder:
        if self._project.base_bytes <= LARGE:  # it imports while the adapter is measured
            self._start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    def build(self, config: OliveConfig, out: Path) -> dict[str, Any]:
        """Build the model of a configuration into `out`, whole or not at all.

        Returns:
            ``facts`` as the stage export has them, and ``seconds``.

        Raises:
            ScaffoldError: Olive refuses the passes, or fails.
        """
        shutil.rmtree(self._scratch, ignore_errors=True)
        partial = self._scratch / "onnx"
        partial.mkdir(parents=True)
        places = {"out": str(partial), "scratch": str(self._scratch)}
        try:
            message = self._ask({"content": config.content, **places})
            event = from_json(message)
            if isinstance(event, Failure):
                raise event.error
            out.parent.mkdir(parents=True, exist_ok=True)
            partial.rename(out)
        finally:
            shutil.rmtree(self._scratch, ignore_errors=True)
            if self._project.base_bytes > LARGE:
                self._end()
        return message

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        process = self._process or self._start()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(protocol.encode(order))
            process.stdin.flush()
        except BrokenPipeError:
            pass  # it is gone: its output ends, too
        line = process.stdout.readline()
        if not line:
            code = process.wait()
            self._process = None
            raise ScaffoldError(
                f"Building was ended from outside ({protocol.describe_exit(code)}).",
                where=self._log,
                fix="if memory ran out: close other programs",
                exit_code=FAILED_RUN,
            )
        message: dict[str, Any] = json.loads(line)
        return message

    def _start(self) -> subprocess.Popen[bytes]:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("a", encoding="utf-8") as stream:
            self._process = subprocess.Popen(
                protocol.command(MODULE, {"project": self._project.to_json()}),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
            )
        return self._process

    def _end(self) -> None:
        """End the child, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
