"""Messages arrive whole, prints go elsewhere, and nobody works on without a parent."""

import errno
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from phi3scaffold.pipeline import protocol
from phi3scaffold.project.errors import ScaffoldError

CHILD = """
import os, sys
from phi3scaffold.pipeline import protocol
outlet = protocol.take_stdout()
print("a library says something")
os.system("echo a program says something")
outlet.send({"said": protocol.work()}, flush=False)
for message in protocol.read(sys.stdin.buffer):
    outlet.send({"heard": message})
"""


def child(*argument: str) -> "subprocess.Popen[bytes]":
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, *argument], stdin=pipe, stdout=pipe, stderr=pipe
    )


def test_stdout_carries_messages_alone() -> None:
    work = {"text": "two\nlines, and ä"}
    with child(json.dumps(work)) as process:
        out, err = process.communicate(protocol.encode({"n": 1}) + protocol.encode({"n": 2}))
    messages = list(protocol.read(out.splitlines()))
    assert messages == [{"said": work}, {"heard": {"n": 1}}, {"heard": {"n": 2}}]
    assert b"a library says" in err and b"a program says" in err


def test_a_child_whose_parent_is_gone_ends() -> None:
    with child("1") as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.close()
        process.stdin.write(protocol.encode({}))
        process.stdin.flush()
        assert process.wait(20) == 1


def test_a_command_is_a_module_and_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    work = {"names": ["merge"]}
    command = protocol.command("some.module", work)
    assert command[-2] == "some.module"
    monkeypatch.setattr(sys, "argv", command[-2:])
    assert protocol.work() == work


def test_errors_are_described() -> None:
    log = Path("run.log")
    known = ScaffoldError("It broke.")
    assert protocol.describe_error(known, log) is known
    full = protocol.describe_error(OSError(errno.ENOSPC, "no space", "/disk"), log)
    assert full.where == "/disk" and "free some disk space" in str(full.fix)
    unforeseen = protocol.describe_error(RuntimeError("first\nsecond"), log)
    assert unforeseen.what == "The stage failed: RuntimeError: first"
    assert (unforeseen.where, unforeseen.exit_code) == ("run.log", 1)


def test_exit_codes_in_words() -> None:
    assert protocol.describe_exit(-signal.SIGTERM) == "SIGTERM"
    assert protocol.describe_exit(3) == "exit code 3"
