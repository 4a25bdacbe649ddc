"""LitServe in front of the same form, for tests/benchmarks/serving.py: PROJECT PORT."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import litserve
from litserve.specs.openai import OpenAISpec

from phi3scaffold.inference.forms import open_form
from phi3scaffold.project.settings import load_project


class Api(litserve.LitAPI):
    """Answers as our own engine does: the trained prompt, greedy, one request at a time."""

    def setup(self, device: str) -> None:
        self.form = open_form("onnx", load_project(Path(sys.argv[1])))

    def predict(self, request: Any) -> Iterator[str]:
        prompt = self.form.prompt
        turns = [{"role": turn.role, "content": turn.content} for turn in request.messages]
        ids = self.form.encode(prompt.conversation(turns))
        yield from self.form.pieces(self.form.sample(ids, prompt.max_new_tokens))


if __name__ == "__main__":
    litserve.LitServer(Api(spec=OpenAISpec()), accelerator="cpu", workers_per_device=1).run(
        host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False, log_level="warning"
    )
