"""The child process that builds points: an order a line on its input, a result on its output."""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from phi3scaffold.pipeline import protocol
from phi3scaffold.pipeline.events import Failure, to_json
from phi3scaffold.pipeline.logs import log_file
from phi3scaffold.project.errors import FAILED_RUN
from phi3scaffold.project.olive_config import OliveConfig
from phi3scaffold.project.settings import Project


def main() -> None:
    """Build what the parent orders, as long as it lives."""
    protocol.ignore_signals("SIGINT")  # the parent ends us
    outlet = protocol.take_stdout()
    project = Project.from_json(protocol.work()["project"])
    orders: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_read, args=(orders,), daemon=True).start()

    from phi3scaffold.conversion.build import build_merged

    while True:
        order = orders.get()
        content = order["content"]
        config = OliveConfig(project.olive_config, content, content["passes"])
        began = time.monotonic()
        try:
            facts = build_merged(project, Path(order["out"]), Path(order["scratch"]), config)
            outlet.send({"facts": facts, "seconds": time.monotonic() - began})
        except BaseException as error:  # noqa: BLE001 (the parent reports it)
            traceback.print_exc()
            outlet.send(to_json(Failure(protocol.describe_error(error, log_file(project)))))


def _read(orders: queue.Queue[dict[str, Any]]) -> None:
    """Hand on the orders; where the input ends, the parent is gone, and nobody wants the rest."""
    for order in protocol.read(sys.stdin.buffer):
        orders.put(order)
    os._exit(FAILED_RUN)


if __name__ == "__main__":
    main()
