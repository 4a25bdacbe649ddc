"""A chat template is tried with a question and its answer, in a process with limits.

A template is a program by the maker of the model: it can loop for ever and fill the memory. One
that only loops over its turns and writes them needs no process: most models' are so.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

from phi3scaffold.models.column_templates import Message
from phi3scaffold.models.template_file import (
    IN_TEMPLATE,
    ChatTemplate,
    asks_for_date,
    environment,
    pinned,
    read_template,
)
from phi3scaffold.pipeline import protocol
from phi3scaffold.project.errors import ScaffoldError

TURNS: list[Message] = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
SECONDS = 5.0  # of the processor; the largest template of the catalogue takes 0.01
MEMORY = 512 << 20  # bytes
LOADED = 24  # times as long by the clock: other programs may want the processor, too
POLL = 0.02
DEEPEST, LONGEST = 2, 10_000  # loops in each other, and characters, of one that needs no process
# What cannot make more of a text than there is.
FILTERS = {"trim", "upper", "lower", "title", "capitalize", "tojson", "length", "count", "default"}
METHODS = {"strip", "lstrip", "rstrip", "startswith", "endswith", "items", "keys", "values", "get"}
FUNCTIONS = {"raise_exception", "strftime_now", "namespace"}


def check_template(folder: Path) -> ChatTemplate:
    """Return the chat template of a model folder, tried with a question and its answer.

    A system turn is not tried: a model without one can be trained on rows without one.

    Raises:
        ScaffoldError: there is none, it cannot be read, it takes too much time or memory, or what
            it writes changes with the day.
    """
    template = read_template(folder)
    try_template(template)
    if asks_for_date(pinned(template.text)):
        raise ScaffoldError(
            "The chat template writes today's date, so training and answers would differ from "
            "day to day, and here the date cannot be pinned.",
            where=template.where,
            fix="in a copy of the model, replace strftime_now(...) with a date in quotes",
        )
    return template


def try_template(template: ChatTemplate) -> None:
    """Render a question, and a question with its answer.

    Raises:
        ScaffoldError: the template cannot write them, or takes too much time or memory.
    """
    if _is_plain(template.text):
        _render(template)
        return
    tokens = json.dumps(dict(template.tokens), sort_keys=True)
    error, line = _tried(str(template.path), template.text, tokens)
    if line is not None:
        raise template.costs_too_much(error["what"], line)
    if error is not None:
        raise ScaffoldError.from_json(error)


def _render(template: ChatTemplate) -> None:
    template.render(TURNS[:1], to_answer=True)
    template.render(TURNS, to_answer=False)


@lru_cache(maxsize=64)
def _tried(path: str, text: str, tokens: str) -> tuple[Any, int | None]:
    """Return the error of a trial in another process, and the line where that was ended."""
    with tempfile.TemporaryFile() as lines:
        work = {"path": path, "lines": lines.fileno()}
        options: dict[str, Any] = {"pass_fds": [lines.fileno()]} if os.name == "posix" else {}
        process = subprocess.Popen(
            protocol.command(__name__, work),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
            **options,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        with process:
            with contextlib.suppress(OSError):
                process.stdin.write(json.dumps({"text": text, "tokens": tokens}).encode())
                process.stdin.close()
            ended = _watch(process)
            reply = process.stdout.read()
        if ended is None and reply:
            return json.loads(reply), None
        lines.seek(0)
        return {"what": ended or "memory"}, int(lines.read() or b"0")


def _watch(process: subprocess.Popen[bytes]) -> str | None:
    """Wait for the process; end it where it takes too much, and return of what."""
    import psutil

    began = time.monotonic()
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(POLL)
            return None
        with contextlib.suppress(psutil.Error):
            usage = psutil.Process(process.pid)
            times = usage.cpu_times()
            late = time.monotonic() - began > LOADED * SECONDS
            ended = "time" if late or times.user + times.system > SECONDS else None
            if usage.memory_info().rss > MEMORY:
                ended = "memory"
            if ended:
                process.kill()
                return ended


def _is_plain(text: str) -> bool:
    """Return whether a template can only loop over its turns and write them."""
    from jinja2 import TemplateError, nodes

    try:
        tree = environment().parse(text)
    except TemplateError:
        return True  # then it does not run
    risky = (nodes.Macro, nodes.CallBlock, nodes.Mul, nodes.Pow, nodes.Mod, nodes.Import)
    if len(text) > LONGEST:
        return False
    if next(tree.find_all((*risky, nodes.Include, nodes.Extends, nodes.FromImport)), None):
        return False
    if any(
        one.name not in FILTERS or one.args or one.kwargs for one in tree.find_all(nodes.Filter)
    ):
        return False
    for call in tree.find_all(nodes.Call):
        known = call.node.attr in METHODS if isinstance(call.node, nodes.Getattr) else False
        if isinstance(call.node, nodes.Name):
            known = call.node.name in FUNCTIONS
        if not known:
            return False
    return _depth(tree) <= DEEPEST


def _depth(node: Any) -> int:
    """Return how many loops stand in each other."""
    from jinja2 import nodes

    inner = max(map(_depth, node.iter_child_nodes()), default=0)
    return inner + isinstance(node, nodes.For)


def _note_lines(template: Any, file: int) -> None:
    """Write the line of a template that runs into a file, again and again."""

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != IN_TEMPLATE:
            return None
        os.lseek(file, 0, os.SEEK_SET)
        os.write(file, b"%8d" % template.get_corresponding_lineno(frame.f_lineno))
        return trace

    sys.settrace(trace)


def main() -> None:
    """Render the template on standard input; write the error, or null."""
    work = protocol.work()
    given = json.loads(sys.stdin.buffer.read())
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (2 * MEMORY, 2 * MEMORY))
    template = ChatTemplate(Path(work["path"]), given["text"], json.loads(given["tokens"]))
    error = None
    try:
        if os.name == "posix":
            with contextlib.suppress(Exception):  # its own error comes with the rendering
                _note_lines(environment().from_string(template.text), work["lines"])
        _render(template)
    except ScaffoldError as found:
        error = found.to_json()
    sys.settrace(None)
    print(json.dumps(error), flush=True)


if __name__ == "__main__":
    main()
