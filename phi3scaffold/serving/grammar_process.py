"""The process that compiles JSON schemas before the engine does.

A schema can take minutes or all memory, or end its process: then it is this one, not the engine's.
"""

from __future__ import annotations

import sys
from pathlib import Path

from phi3scaffold.inference.forms.grammar_check import GrammarCheck
from phi3scaffold.inference.json_schema import BadSchema
from phi3scaffold.pipeline import environment, protocol

EASY = '{"type": "object"}'


def main() -> None:
    """Compile the schemas that the server sends, until it is gone."""
    protocol.ignore_signals("SIGINT", "SIGTERM", "SIGHUP")
    send = protocol.take_stdout().send
    environment.prepare()
    checks = {folder: GrammarCheck(Path(folder)) for folder in protocol.work()}
    for check in checks.values():
        check.check(EASY)
    send({"kind": "ready"})
    for message in protocol.read(sys.stdin.buffer):
        why = None
        try:
            checks[message["folder"]].check(message["schema"])
        except BadSchema as error:
            why = str(error)
        send({"kind": "checked", "why": why})


if __name__ == "__main__":
    main()
